/** `evenkeel models`: which CPU models can `plan --with` add as estimates?? */
import { CATALOGUE, CATALOGUE_KERNELS, prettyJson } from "@evenkeel/core";
import { paragraph, table } from "../render/layout.ts";

export interface ModelsFlags {
  readonly json?: boolean;
}

export function runModels(flags: ModelsFlags): number {
  if (flags.json === true) {
    process.stdout.write(prettyJson({ kernels: CATALOGUE_KERNELS, models: CATALOGUE }));
    return 0;
  }
  const rows = CATALOGUE.map((m) => [m.id, m.name, m.vendor, String(m.launched)]);
  const lines = [
    ...table(["ID", "NAME", "VENDOR", "YEAR"], rows),
    "",
    ...paragraph(`Host kernels: ${CATALOGUE_KERNELS.join(", ")}. All are estimates.`, 0),
  ];
  process.stdout.write(`${lines.join("\n")}\n`);
  return 0;
}
