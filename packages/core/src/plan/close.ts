/**
 * Closing a merged CPU: features whose base is gone go too, state components nobody uses go,
 * leaves beyond the levelled maximum are hidden, and what belongs to an absent feature is zero.
 */
import { hidingLimit } from "../tables/cpuid-limits.ts";
import { fieldByName } from "../tables/lookup.ts";
import { isPresent } from "../tables/merge-rules.ts";
import { has, type Merged, type MergedField, type Reason } from "./merge.ts";

function levelsOf(merged: Merged): Map<string, number> {
  const levels = merged.fields.filter(({ field }) => field.group === "levels");
  return new Map(levels.map(({ field, value }) => [field.name, Number(value)]));
}

function hide(merged: Merged): void {
  const levels = levelsOf(merged);
  for (const merging of merged.fields) {
    const { place, field } = merging;
    if (!("leaf" in place)) continue;
    const level = hidingLimit(place.leaf, place.subleaf, (name) => levels.get(name) ?? 0);
    if (level === undefined) continue;
    if (merging.value !== 0n && field.kind === "feature") {
      merging.reason = { kind: "hidden", level };
    }
    merging.value = 0n;
  }
}

/** The first reason why a feature that every class has must go all the same. */
function inconsistency(merged: Merged, { field }: MergedField): Reason | undefined {
  const needed = field.of === undefined ? field.requires : [...field.requires, field.of];
  const missing = needed.find((name) => !has(merged, name));
  if (missing !== undefined) return { kind: "requires", feature: missing };
  if (field.usedBy.length > 0 && !field.usedBy.some((name) => has(merged, name))) {
    return { kind: "unused", by: field.usedBy };
  }
  const conflict = merged.fields.find(
    (f) => f.field.kind === "derived" && f.field.of === field.name && new Set(f.values).size > 1,
  );
  return conflict === undefined ? undefined : { kind: "layout", field: conflict.field.name };
}

function dropInconsistent(merged: Merged): void {
  const features = merged.fields.filter(({ field }) => field.kind === "feature");
  let changed = true;
  while (changed) {
    changed = false;
    for (const feature of features) {
      if (feature.value === 0n || !isPresent(feature.value, feature.field)) continue;
      const reason = inconsistency(merged, feature);
      if (reason === undefined) continue;
      feature.value = 0n;
      feature.reason = reason;
      changed = true;
    }
  }
}

/** Numbers and announcements that belong to a feature mean nothing without it. */
function zeroOrphans(merged: Merged): void {
  for (const merging of merged.fields) {
    const { of, kind } = merging.field;
    if (of === undefined || kind === "feature" || fieldByName(of) === undefined) continue;
    if (!has(merged, of)) merging.value = 0n;
  }
}

/** Closes `merged` in place; each feature that goes and that every class has is told why. */
export function close(merged: Merged): void {
  hide(merged);
  dropInconsistent(merged);
  zeroOrphans(merged);
}
