/** Server CPU models for planning with nodes that are not there yet (docs/catalogue.md). */
import { didYouMean } from "../format/suggest.ts";
import { fail } from "../errors.ts";
import type { NodeProfile, OfferedCpu } from "../profile/profile.ts";
import type { Vendor } from "../tables/field.ts";
import { CATALOGUE_KERNELS, DEFAULT_KERNEL } from "../tables/kernels.ts";
import { ARM_MODELS, armGuestCpuOf, type ArmCatalogueModel } from "./arm.ts";
import { CATALOGUE_MODELS, type CatalogueModel } from "../tables/models.ts";
import { guestCpuOf, onKernel, type Caches } from "./guest-of-model.ts";

const MODELS: readonly (CatalogueModel | ArmCatalogueModel)[] = [
  ...CATALOGUE_MODELS,
  ...ARM_MODELS,
];

export interface CatalogueEntry {
  readonly id: string;
  readonly name: string;
  readonly vendor: Vendor | "arm";
  /** The year it came to market. */
  readonly launched: number;
}

/** What can be planned with, by vendor and age. */
export const CATALOGUE: readonly CatalogueEntry[] = MODELS.map(
  ({ id, name, vendor, launched }) => ({ id, name, vendor, launched }),
);

/** Caches are free to differ between nodes, so any will do. */
const CACHES: Readonly<Record<Vendor, Caches>> = {
  intel: {
    caches: [
      [1, 1, 12, 64],
      [1, 2, 8, 64],
      [2, 3, 16, 2048],
      [3, 3, 16, 65_536],
    ],
    brand: "Intel(R) Xeon(R) Processor",
  },
  amd: {
    caches: [
      [1, 1, 8, 64],
      [1, 2, 8, 64],
      [2, 3, 8, 2048],
      [3, 3, 16, 32_768],
    ],
    brand: "AMD EPYC",
  },
};

function cpuOf(model: CatalogueModel | ArmCatalogueModel, kernel: string): OfferedCpu {
  if (model.vendor === "arm") return armGuestCpuOf(model, kernel);
  return guestCpuOf(onKernel(model, kernel), kernel, CACHES[model.vendor]);
}

/** An estimated node of a model; undefined where the catalogue has no such model or kernel line. */
export function catalogueProfile(
  id: string,
  kernel: string = DEFAULT_KERNEL,
): NodeProfile | undefined {
  const model = MODELS.find((m) => m.id === id);
  const line = CATALOGUE_KERNELS.find((k) => k === kernel);
  if (model === undefined || line === undefined) return undefined;
  return {
    name: `estimate:${id}@${line}`,
    provenance:
      `evenkeel's catalogue: ${model.name} on Linux ${line}, from public documents` +
      `${model.fittedTo === undefined ? "" : ` and ${model.fittedTo}`}. ` +
      "An estimate, not a measurement.",
    host: { kernel: line, cpuModel: model.name },
    firecracker: [],
    incomplete: [],
    estimate: true,
    cpu: cpuOf(model, line),
  };
}

/** The profile for `MODEL` or `MODEL@KERNEL`; throws UNKNOWN_MODEL with what there is. */
export function requireCatalogueProfile(wanted: string): NodeProfile {
  const at = wanted.indexOf("@");
  const id = at < 0 ? wanted : wanted.slice(0, at);
  const kernel = at < 0 ? DEFAULT_KERNEL : wanted.slice(at + 1);
  const profile = catalogueProfile(id, kernel);
  if (profile !== undefined) return profile;
  if (CATALOGUE.some((entry) => entry.id === id)) {
    const known = CATALOGUE_KERNELS.join(", ");
    return fail("UNKNOWN_MODEL", `no host kernel "${kernel}" in the catalogue; known: ${known}`);
  }
  const ids = CATALOGUE.map((entry) => entry.id);
  const meant = didYouMean(id, ids);
  return fail(
    "UNKNOWN_MODEL",
    `no model "${id}" in the catalogue${meant}; known: ${ids.join(", ")}`,
  );
}
