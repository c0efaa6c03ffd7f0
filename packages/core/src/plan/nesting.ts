/**
 * VMX and SVM are shown to guests only where all classes are one model: what a guest may do with
 * them stands in MSRs that no profile has, so that no verdict could call models alike.
 */
import type { NodeClass } from "../profile/class.ts";
import { formatFms } from "../tables/models.ts";
import { NESTING } from "../tables/nesting.ts";
import type { Merged } from "./merge.ts";

export function giveUpNesting(merged: Merged, classes: readonly NodeClass[]): void {
  const models = new Set(classes.map(({ model }) => model.signature && formatFms(model.signature)));
  if (models.size < 2) return;
  for (const name of NESTING) {
    const feature = merged.features.get(name);
    if (feature === undefined || feature.value === 0n) continue;
    feature.value = 0n;
    feature.reason = { kind: "unverifiable" };
  }
}
