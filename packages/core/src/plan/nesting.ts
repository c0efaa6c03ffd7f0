/**
 * VMX and SVM are shown to guests only where all classes are one model: what a guest may do with
 * them stands in MSRs that no profile has, so that no verdict could call models alike.
 */
import type { NodeClass } from "../profile/class.ts";
import { encodeSignature } from "../tables/models.ts";
import type { Reasons, Reason } from "./close.ts";
import type { Merged } from "./merge.ts";

const NESTING = ["VMX", "SVM"] as const;

/** Gives them up in a pool of several models; adds the reason to `reasons`. */
export function giveUpNesting(
  merged: Merged,
  classes: readonly NodeClass[],
  reasons: Reasons,
): Reasons {
  const models = new Set(classes.map(({ signature }) => encodeSignature(signature)));
  if (models.size < 2) return reasons;
  const added = new Map<string, Reason>(reasons);
  for (const name of NESTING) {
    const feature = merged.features.get(name);
    if (feature === undefined || feature.value === 0) continue;
    feature.value = 0;
    added.set(name, { kind: "unverifiable" });
  }
  return added;
}
