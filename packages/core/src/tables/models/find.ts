/** The catalogue's model of a real CPU. */
import type { Vendor } from "../field.ts";
import { modelOf, type FamilyModelStepping } from "../models.ts";
import { AMD_MODELS } from "./amd.ts";
import { INTEL_MODELS } from "./intel.ts";
import type { CatalogueModel } from "./model.ts";

export const MODELS: readonly CatalogueModel[] = [
  ...Object.values(INTEL_MODELS),
  ...Object.values(AMD_MODELS),
];

export function modelFor(
  vendor: Vendor,
  signature: FamilyModelStepping,
): CatalogueModel | undefined {
  const name = modelOf(vendor, signature)?.name;
  return MODELS.find((model) => model.vendor === vendor && model.name === name);
}
