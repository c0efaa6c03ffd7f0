/** A CPU in names: every field that is not zero, and the bits that no row names. */
import { extract32, extract64 } from "../bits.ts";
import { REGISTERS, type CpuidMap } from "../cpuid.ts";
import { msrAddress, registerAddress } from "../format/address.ts";
import type { CpuidField, Kind, MsrField, Vendor } from "../tables/field.ts";
import { cpuidFields, msrFields } from "../tables/lookup.ts";
import { reservedMask, reservedMsrMask } from "../tables/masks.ts";
import { cpuidPlace, fieldPlace, msrPlace, type Place } from "./order.ts";

export interface DecodedField extends Place {
  /** `reserved` where no row covers the bits. */
  readonly name: string;
  readonly title: string;
  readonly group: string;
  readonly kind: Kind | "reserved";
  readonly value: bigint;
}

/** Registers and MSRs as read: what profiles, plans and guests have in common. */
export interface CpuState {
  readonly vendor: Vendor;
  readonly cpuid: CpuidMap;
  readonly msrs: ReadonlyMap<number, bigint>;
}

function named(field: CpuidField | MsrField, value: bigint, at: Place): DecodedField {
  const { name, title, group, kind, hi, lo } = field;
  return { ...fieldPlace(at, hi, lo), name, title, group, kind, value };
}

function reservedBits(word: bigint, mask: bigint, at: Place): DecodedField[] {
  const bits: DecodedField[] = [];
  for (let bit = 0; bit < 64; bit++) {
    if (((word & mask) >> BigInt(bit)) & 1n) {
      bits.push({
        ...fieldPlace(at, bit, bit),
        name: "reserved",
        title: "no row names this bit",
        group: "reserved",
        kind: "reserved",
        value: 1n,
      });
    }
  }
  return bits;
}

/** All fields of a CPU in the order of their addresses; with `zeros`, those that are 0 as well. */
export function decode({ vendor, cpuid, msrs }: CpuState, zeros = false): DecodedField[] {
  const fields: DecodedField[] = [];
  for (const entry of cpuid.values()) {
    const { leaf, subleaf } = entry;
    for (const [i, register] of REGISTERS.entries()) {
      const at = cpuidPlace(registerAddress(leaf, subleaf, register), leaf, subleaf, i);
      for (const field of cpuidFields(vendor, leaf, subleaf, register)) {
        fields.push(named(field, BigInt(extract32(entry[register], field.hi, field.lo)), at));
      }
      const mask = BigInt(reservedMask(vendor, leaf, subleaf, register));
      fields.push(...reservedBits(BigInt(entry[register]), mask, at));
    }
  }
  for (const [addr, value] of msrs) {
    const at = msrPlace(msrAddress(addr), addr);
    for (const field of msrFields(vendor, addr)) {
      fields.push(named(field, extract64(value, field.hi, field.lo), at));
    }
    fields.push(...reservedBits(value, reservedMsrMask(vendor, addr), at));
  }
  return zeros ? fields : fields.filter(({ value }) => value !== 0n);
}
