/** Values of fields: their order under the sign, and what is safe for several CPUs at once. */
import { mask64 } from "../bits.ts";
import type { AnyField, MergeRule } from "./field.ts";

export function writeField(word: bigint, { hi, lo }: AnyField, value: bigint): bigint {
  const mask = mask64(hi, lo);
  return (word & ~mask) | ((value << BigInt(lo)) & mask);
}

/** The value as a number that can be compared: -1 for 0xf in a signed field of four bits. */
function ordered(value: bigint, field: AnyField): bigint {
  const isSigned = "signed" in field && field.signed;
  return isSigned ? BigInt.asIntN(field.hi - field.lo + 1, value) : value;
}

function isLess(a: bigint, b: bigint, field: AnyField): boolean {
  return ordered(a, field) < ordered(b, field);
}

type Merge = (values: readonly bigint[], field: AnyField) => bigint;

const smallest: Merge = (values, field) => values.reduce((a, b) => (isLess(b, a, field) ? b : a));
const largest: Merge = (values, field) => values.reduce((a, b) => (isLess(a, b, field) ? b : a));

function safeOf(field: AnyField): bigint {
  return "safe" in field ? field.safe : 0n;
}

const MERGE: Readonly<Record<MergeRule, Merge>> = {
  lower: smallest,
  higher: largest,
  "higher-or-zero": (values, field) => (values.includes(0n) ? 0n : largest(values, field)),
  exact: (values, field) => (new Set(values).size === 1 ? (values[0] ?? 0n) : safeOf(field)),
  equal: smallest,
  and: (values) => values.reduce((a, b) => a & b),
  or: (values) => values.reduce((a, b) => a | b),
  least: smallest,
  chosen: (values) => values[0] ?? 0n,
  free: (values) => values[0] ?? 0n,
};

/** What a guest may be told that runs on CPUs with each of these values (at least one). */
export function safeValue(values: readonly bigint[], field: AnyField): bigint {
  return MERGE[field.merge](values, field);
}

/** Rules of values that promise a guest nothing by themselves. */
const PROMISES_NOTHING: ReadonlySet<MergeRule> = new Set(["or", "least", "chosen"]);

/** Whether a CPU that offers one value keeps the promise of another: KVM's own rule for writes. */
export function honours(offered: bigint, promised: bigint, field: AnyField): boolean {
  if (PROMISES_NOTHING.has(field.merge)) return true;
  if (field.merge === "free" || field.merge === "equal") return offered === promised;
  return safeValue([promised, offered], field) === promised;
}

/** Whether the feature is there at all: what there is to give up. */
export function isPresent(value: bigint, field: AnyField): boolean {
  const least = "presentAtZero" in field && field.presentAtZero ? 0n : 1n;
  return ordered(value, field) >= least;
}
