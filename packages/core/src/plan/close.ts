/**
 * Closing a merged CPU: features whose base is gone go too, state components nobody uses go,
 * leaves beyond the levelled maximum are hidden, and what belongs to an absent feature is zero.
 */
import { hidingLimit } from "../tables/limits.ts";
import { fieldByName } from "../tables/lookup.ts";
import type { Merged, MergedField } from "./merge.ts";

/** Why the pool does not have a feature that some class has. */
export type Reason =
  | { readonly kind: "absent" }
  | { readonly kind: "forbidden" }
  | { readonly kind: "requires"; readonly feature: string }
  | { readonly kind: "unused"; readonly by: readonly string[] }
  | { readonly kind: "layout"; readonly field: string }
  | { readonly kind: "hidden"; readonly level: string }
  | { readonly kind: "unverifiable" };

export type Reasons = ReadonlyMap<string, Reason>;

function levelsOf(merged: Merged): Map<string, number> {
  return new Map(
    merged.fields.filter((f) => f.field.group === "levels").map((f) => [f.field.name, f.value]),
  );
}

function hide(merged: Merged, reasons: Map<string, Reason>): void {
  const levels = levelsOf(merged);
  for (const merging of merged.fields) {
    const { place, field } = merging;
    if (!("leaf" in place)) continue;
    const level = hidingLimit(place.leaf, place.subleaf, (name) => levels.get(name) ?? 0);
    if (level === undefined) continue;
    if (merging.value !== 0 && field.kind === "feature") {
      reasons.set(field.name, { kind: "hidden", level });
    }
    merging.value = 0;
  }
}

/** The first reason why a feature that every class has must go all the same. */
function inconsistency(merged: Merged, { field }: MergedField): Reason | undefined {
  const has = (name: string) => (merged.features.get(name)?.value ?? 0) !== 0;
  const needed = field.of === undefined ? field.requires : [...field.requires, field.of];
  const missing = needed.find((name) => !has(name));
  if (missing !== undefined) return { kind: "requires", feature: missing };
  if (field.usedBy.length > 0 && !field.usedBy.some(has)) {
    return { kind: "unused", by: field.usedBy };
  }
  const conflict = merged.fields.find(
    (f) => f.field.kind === "derived" && f.field.of === field.name && new Set(f.values).size > 1,
  );
  return conflict === undefined ? undefined : { kind: "layout", field: conflict.field.name };
}

function dropInconsistent(merged: Merged, reasons: Map<string, Reason>): void {
  let changed = true;
  while (changed) {
    changed = false;
    for (const [name, feature] of merged.features) {
      if (feature.value === 0) continue;
      const reason = inconsistency(merged, feature);
      if (reason === undefined) continue;
      feature.value = 0;
      reasons.set(name, reason);
      changed = true;
    }
  }
}

/** Numbers and announcements that belong to a feature mean nothing without it. */
function zeroOrphans(merged: Merged): void {
  for (const merging of merged.fields) {
    const { of, kind } = merging.field;
    if (of === undefined || kind === "feature" || fieldByName(of) === undefined) continue;
    if ((merged.features.get(of)?.value ?? 0) === 0) merging.value = 0;
  }
}

/**
 * Closes `merged` in place and says why each feature went that some class has; `gone` has the
 * reasons for those that went before.
 */
export function close(merged: Merged, gone: Reasons = new Map()): Reasons {
  const reasons = new Map(gone);
  for (const [name, { value, values }] of merged.features) {
    if (value !== 0 || reasons.has(name)) continue;
    if (values.some((v) => v !== 0)) reasons.set(name, { kind: "absent" });
  }
  hide(merged, reasons);
  dropInconsistent(merged, reasons);
  zeroOrphans(merged);
  return reasons;
}
