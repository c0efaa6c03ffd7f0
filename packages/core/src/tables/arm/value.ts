/** Values of fields: their order under the sign, and what is safe for several CPUs at once. */
import { extract64, mask64 } from "../../bits.ts";
import type { ArmField, MergeRule } from "./field.ts";

/** The field's bits, unsigned: as registers hold them and as people read them. */
export function armValue(word: bigint, { hi, lo }: ArmField): bigint {
  return extract64(word, hi, lo);
}

export function insertArm(word: bigint, { hi, lo }: ArmField, value: bigint): bigint {
  const mask = mask64(hi, lo);
  return (word & ~mask) | ((value << BigInt(lo)) & mask);
}

/** The value as a number that can be compared: -1 for 0xf in a signed field of four bits. */
function ordered(value: bigint, { hi, lo, signed }: ArmField): bigint {
  const width = BigInt(hi - lo + 1);
  return signed ? BigInt.asIntN(Number(width), value) : value;
}

/** Whether `a` is less than `b` under the field's sign. */
function isLess(a: bigint, b: bigint, field: ArmField): boolean {
  return ordered(a, field) < ordered(b, field);
}

function smallest(values: readonly bigint[], field: ArmField): bigint {
  return values.reduce((a, b) => (isLess(b, a, field) ? b : a));
}

function largest(values: readonly bigint[], field: ArmField): bigint {
  return values.reduce((a, b) => (isLess(a, b, field) ? b : a));
}

type Merge = (values: readonly bigint[], field: ArmField) => bigint;

const MERGE: Readonly<Record<MergeRule, Merge>> = {
  lower: smallest,
  higher: largest,
  "higher-or-zero": (values, field) => (values.includes(0n) ? 0n : largest(values, field)),
  exact: (values, field) => (new Set(values).size === 1 ? (values[0] ?? 0n) : field.safe),
  equal: smallest,
  and: (values) => values.reduce((a, b) => a & b),
  free: (values) => values[0] ?? 0n,
};

/** What a guest may be told that runs on CPUs with each of these values (at least one). */
export function safeValue(values: readonly bigint[], field: ArmField): bigint {
  return MERGE[field.merge](values, field);
}

/** Whether a CPU that offers one value keeps the promise of another: KVM's own rule for writes. */
export function honours(offered: bigint, promised: bigint, field: ArmField): boolean {
  if (field.merge === "free" || field.merge === "equal") return offered === promised;
  return safeValue([promised, offered], field) === promised;
}

/** Whether the feature is there at all: what there is to give up. */
export function isPresent(value: bigint, field: ArmField): boolean {
  return ordered(value, field) >= (field.presentAtZero ? 0n : 1n);
}
