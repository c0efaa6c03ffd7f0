/**
 * A model under one host kernel: KVM passes on only what it knows, so the same CPU shows a guest
 * more on a newer kernel, and sometimes less. The rows are kvm/passed.ts's.
 */
import { limitsOf } from "../tables/kernels.ts";
import { shownFeatures } from "../kvm/shown.ts";
import type { CatalogueModel } from "../tables/models.ts";

export function onKernel(model: CatalogueModel, kernel: string): CatalogueModel {
  const { vendor, signature, features } = model;
  const shown = shownFeatures({ vendor, signature, features: new Set(features) }, kernel);
  const { basic, leaf7, extended } = limitsOf(kernel);
  return {
    ...model,
    features: features.filter((name) => shown.has(name)),
    maxBasicLeaf: Math.min(model.maxBasicLeaf, basic),
    maxLeaf7Subleaf: Math.min(model.maxLeaf7Subleaf, leaf7),
    maxExtendedLeaf: Math.min(model.maxExtendedLeaf, extended),
  };
}
