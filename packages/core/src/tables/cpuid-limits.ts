/**
 * CPUID's own limits, from the rows of the group "levels": the highest leaf of a range stands in its
 * first leaf, the highest subleaf of a leaf in its first subleaf.
 */
import type { CpuidField, MsrField } from "./field.ts";
import { CPUID_FIELDS } from "./lookup.ts";

const LIMITS = CPUID_FIELDS.filter(({ group }) => group === "levels");

/** Basic, hypervisor and extended leaves begin at multiples of this. */
const RANGE = 0x4000_0000;

/** The first leaf of the range that a leaf is in. */
export function rangeOf(leaf: number): number {
  return leaf - (leaf % RANGE);
}

function nameAt(leaf: number): string | undefined {
  return LIMITS.find((field) => field.leaf === leaf)?.name;
}

/** The limit that hides a place from guests, if one does; `value`: of a limit, by its name. */
export function hidingLimit(
  leaf: number,
  subleaf: number,
  value: (name: string) => number,
): string | undefined {
  const range = nameAt(rangeOf(leaf));
  if (range !== undefined && leaf > value(range)) return range;
  const own = leaf === rangeOf(leaf) ? undefined : nameAt(leaf);
  return own !== undefined && subleaf > value(own) ? own : undefined;
}

/** Whether only CPUID itself is about a number, which a snapshot brings along with its CPUID. */
export function isOfCpuidAlone({ group, ofCpuidAlone }: CpuidField | MsrField): boolean {
  return group === "levels" || ofCpuidAlone === true;
}
