/**
 * Closing a merged CPU: features whose base is gone go too, state components nobody uses go,
 * leaves beyond the levelled maximum are hidden, and what belongs to an absent feature is zero.
 */
import { fieldByName } from "../tables/lookup.ts";
import { isPresent } from "../tables/merge-rules.ts";
import { has, type Merged, type MergedField } from "./merge.ts";
import type { Reason } from "./reason.ts";

const LEVEL_OF_RANGE: readonly (readonly [from: number, level: string])[] = [
  [0x8000_0000, "MAX_EXTENDED_LEAF"],
  [0x4000_0000, "MAX_HYPERVISOR_LEAF"],
  [0x0, "MAX_BASIC_LEAF"],
];

/** Leaves whose subleaf 0 gives the number of the highest subleaf. */
const LEVEL_OF_LEAF: Readonly<Record<number, string>> = {
  0x7: "MAX_LEAF7_SUBLEAF",
  0x1e: "MAX_TMUL_SUBLEAF",
  0x24: "MAX_AVX10_SUBLEAF",
};

/** The level that hides a place from guests, if one does. */
function hidingLevel(
  leaf: number,
  subleaf: number,
  levels: ReadonlyMap<string, number>,
): string | undefined {
  const range = LEVEL_OF_RANGE.find(([from]) => leaf >= from)?.[1] ?? "MAX_BASIC_LEAF";
  if (leaf > (levels.get(range) ?? 0)) return range;
  const own = LEVEL_OF_LEAF[leaf];
  if (own !== undefined && subleaf > (levels.get(own) ?? 0)) return own;
  return undefined;
}

function levelsOf(merged: Merged): Map<string, number> {
  const levels = merged.fields.filter(({ field }) => field.group === "levels");
  return new Map(levels.map(({ field, value }) => [field.name, Number(value)]));
}

function hide(merged: Merged): void {
  const levels = levelsOf(merged);
  for (const merging of merged.fields) {
    const { place, field } = merging;
    if (!("leaf" in place)) continue;
    const level = hidingLevel(place.leaf, place.subleaf, levels);
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
