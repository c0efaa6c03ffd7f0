/**
 * Closing a merged CPU: features whose base is gone go too, state components nobody uses go,
 * leaves beyond the levelled maximum are hidden, and what belongs to an absent feature is zero.
 */
import { hidingLimit } from "../tables/cpuid-limits.ts";
import { fieldByName } from "../tables/lookup.ts";
import { isPresent } from "../tables/merge-rules.ts";
import { has, type Merged, type MergedField, type Reason } from "./merge.ts";
import type { NodeClass } from "../profile/class.ts";
import { formatFms } from "../tables/models.ts";
import { NESTING } from "../tables/nesting.ts";
import { STATE_COMPONENTS } from "../tables/cpuid/xsave.ts";

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

/** The first reason to drop a feature although every class has it. */
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

/** Clears numbers and announcements that belong to an absent feature. */
function zeroOrphans(merged: Merged): void {
  for (const merging of merged.fields) {
    const { of, kind } = merging.field;
    if (of === undefined || kind === "feature" || fieldByName(of) === undefined) continue;
    if (!has(merged, of)) merging.value = 0n;
  }
}

/** Closes `merged` in place, and records a reason for each dropped feature that every class has. */
export function close(merged: Merged): void {
  hide(merged);
  dropInconsistent(merged);
  zeroOrphans(merged);
}

/**
 * VMX and SVM are shown only where all classes are one model: what guests may do with them stands
 * in MSRs that no profile has, so no verdict could call the models alike.
 */
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

/** Legacy region and XSAVE header, in bytes. Source: Intel SDM vol. 1, 13.4.1 and 13.4.2. */
const XSAVE_HEADER_END = 576;
const LINEAR_BITS_4_LEVELS = 48;

/** The size of the standard-format XSAVE area for all user components of the pool, in bytes. */
function xsaveSize(value: (name: string) => number): number {
  if (value("XSAVE") === 0) return 0;
  const ends = STATE_COMPONENTS.filter((c) => c.in === "xcr0" && value(c.name) !== 0).map(
    ({ name }) => value(`${name}_OFFSET`) + value(`${name}_SIZE`),
  );
  return Math.max(XSAVE_HEADER_END, ...ends);
}

/** Numbers that follow from the features left: XSAVE sizes and address widths. */
export function derive(merged: Merged): void {
  const byName = new Map(merged.fields.map((f) => [f.field.name, f]));
  const value = (name: string) => Number(byName.get(name)?.value ?? 0n);
  const size = byName.get("XSAVE_SIZE_MAX");
  if (size !== undefined) size.value = BigInt(xsaveSize(value));
  const linear = byName.get("LINEAR_ADDRESS_BITS");
  if (linear !== undefined && value("LA57") === 0) {
    linear.value = BigInt(Math.min(Number(linear.value), LINEAR_BITS_4_LEVELS));
  }
}
