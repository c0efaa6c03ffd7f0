/** A CPU in names: every field that says something, and the bits that no row names. */
import { extract32, readField } from "../bits.ts";
import { REGISTERS } from "../cpuid.ts";
import { registerAddress } from "../format/address.ts";
import type { CpuState } from "../profile/state.ts";
import { describesCpu } from "../tables/arm/lookup.ts";
import type { AnyField, CpuType, Kind } from "../tables/field.ts";
import { cpuidFields } from "../tables/lookup.ts";
import { reservedMask } from "../tables/masks.ts";
import { isPresent } from "../tables/merge-rules.ts";
import {
  compareIds,
  registerFields,
  reservedRegisterMask,
  type RegisterId,
} from "../tables/registers.ts";
import { cpuidPlace, fieldPlace, registerPlace, type Place } from "./order.ts";

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

function reservedBits(word: bigint, mask: bigint, at: Place): DecodedField[] {
  const bits: DecodedField[] = [];
  for (let bit = 0; bit < 64; bit++) {
    if (((word & mask) >> BigInt(bit)) & 1n) {
      bits.push({
        ...fieldPlace(at, bit, bit),
        name: "reserved",
        title: "this bit has no row in the tables",
        group: "reserved",
        kind: "reserved",
        value: 1n,
      });
    }
  }
  return bits;
}

/** aarch64's registers of a vCPU's state have no fields here: each is shown as one number. */
function decodeRegister(
  type: CpuType,
  id: RegisterId,
  value: bigint,
  zeros: boolean,
): DecodedField[] {
  const at = registerPlace(id);
  if (typeof id === "bigint" && !describesCpu(id)) {
    const state = { name: "", title: "a vCPU's state", group: "state", kind: "state" } as const;
    return zeros || value !== 0n ? [{ ...at, ...state, value }] : [];
  }
  return [
    ...registerFields(type, id).flatMap((f) => named(f, readField(value, f), at, zeros)),
    ...reservedBits(value, reservedRegisterMask(type, id), at),
  ];
}

/** All fields of a CPU in the order of their addresses; with `zeros`, those that are 0 as well. */
export function decode({ type, cpuid, registers }: CpuState, zeros = false): DecodedField[] {
  const fields: DecodedField[] = [];
  for (const entry of cpuid.values()) {
    const { leaf, subleaf } = entry;
    for (const [i, register] of REGISTERS.entries()) {
      const at = cpuidPlace(registerAddress(leaf, subleaf, register), leaf, subleaf, i);
      for (const field of cpuidFields(type, leaf, subleaf, register)) {
        const value = BigInt(extract32(entry[register], field.hi, field.lo));
        fields.push(...named(field, value, at, zeros));
      }
      const mask = BigInt(reservedMask(type, leaf, subleaf, register));
      fields.push(...reservedBits(BigInt(entry[register]), mask, at));
    }
  }
  const sorted = [...registers].toSorted(([a], [b]) => compareIds(a, b));
  for (const [id, value] of sorted) fields.push(...decodeRegister(type, id, value, zeros));
  return fields;
}
