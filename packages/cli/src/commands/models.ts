/** `evenkeel models`: which CPU models can `plan --with` add as estimates? */
import {
  CATALOGUE,
  CATALOGUE_KERNELS,
  profileFields,
  requireCatalogueProfile,
} from "@evenkeel/core";
import { formatOf, listingText, type ListingFlags } from "../output/listing.ts";
import { paragraph, table } from "../render/layout.ts";

/** Of the estimate for the newest kernel. */
function wideOf(id: string): string[] {
  const { cpu } = requireCatalogueProfile(id);
  const features = profileFields(cpu)?.filter(({ kind }) => kind === "feature") ?? [];
  return [cpu.arch, String(features.length)];
}

function modelsReport(wide: boolean): string {
  const rows = CATALOGUE.map((m) => [
    m.id,
    m.name,
    m.vendor,
    String(m.launched),
    ...(wide ? wideOf(m.id) : []),
  ]);
  const head = ["ID", "NAME", "VENDOR", "YEAR", ...(wide ? ["ARCHITECTURE", "FEATURES"] : [])];
  const lines = [
    ...table(head, rows),
    "",
    ...paragraph(`Host kernels: ${CATALOGUE_KERNELS.join(", ")}. All are estimates.`, 0),
  ];
  return `${lines.join("\n")}\n`;
}

export async function runModels(flags: ListingFlags): Promise<number> {
  const text = await listingText(formatOf(flags), {
    data: { kernels: CATALOGUE_KERNELS, models: CATALOGUE },
    names: CATALOGUE.map(({ id }) => id),
    text: modelsReport,
  });
  process.stdout.write(text);
  return 0;
}
