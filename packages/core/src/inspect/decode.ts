/** A CPU in names: every field that says something, and the bits that no row names. */
import { readField } from "../bits.ts";
import { wordsOf, type CpuState } from "../profile/state.ts";
import { describesCpu } from "../tables/arm/lookup.ts";
import type { AnyField, CpuType, Kind } from "../tables/field.ts";
import { isPresent } from "../tables/merge-rules.ts";
import { compareIds, fieldsAt, reservedAt, type WordPlace } from "../tables/registers.ts";
import { bitPlaces, fieldPlace, placeOf, type Place } from "./order.ts";

export interface DecodedField extends Place {
  /** `reserved` where no row covers the bits; empty for a register of a vCPU's state as a whole. */
  readonly name: string;
  readonly title: string;
  readonly group: string;
  readonly kind: Kind | "reserved";
  readonly value: bigint;
}

/** A signed field is there at zero and is not at 15. */
function saysSomething(value: bigint, field: AnyField): boolean {
  return field.kind === "feature" ? isPresent(value, field) : value !== 0n;
}

function named(field: AnyField, value: bigint, at: Place, zeros: boolean): DecodedField[] {
  if (!zeros && !saysSomething(value, field)) return [];
  const { name, title, group, kind, hi, lo } = field;
  return [{ ...fieldPlace(at, hi, lo), name, title, group, kind, value }];
}

function reservedBits(bits: bigint, at: Place): DecodedField[] {
  const group = "reserved";
  const what = { name: "reserved", title: "this bit has no row in the tables", group } as const;
  return bitPlaces(at, bits).map((bit) => ({ ...bit.at, ...what, kind: group, value: 1n }));
}

/** aarch64's registers of a vCPU's state have no fields here: each is shown as one number. */
function decodeWord(type: CpuType, word: WordPlace, value: bigint, zeros: boolean): DecodedField[] {
  const at = placeOf(word);
  if ("id" in word && typeof word.id === "bigint" && !describesCpu(word.id)) {
    const state = { name: "", title: "a vCPU's state", group: "state", kind: "state" } as const;
    return zeros || value !== 0n ? [{ ...at, ...state, value }] : [];
  }
  return [
    ...fieldsAt(type, word).flatMap((f) => named(f, readField(value, f), at, zeros)),
    ...reservedBits(value & reservedAt(type, word), at),
  ];
}

/** All fields of a CPU in the order of their addresses; with `zeros`, those that are 0 as well. */
export function decode({ type, cpuid, registers }: CpuState, zeros = false): DecodedField[] {
  const sorted = new Map([...registers].toSorted(([a], [b]) => compareIds(a, b)));
  return wordsOf({ cpuid, registers: sorted }).flatMap(({ place, value }) =>
    decodeWord(type, place, value, zeros),
  );
}
