/**
 * The words of a guest's CPU: CPUID's registers, MSRs, and on aarch64 the registers that KVM
 * describes it with. All but CPUID's have 64 bits and one id.
 */
import { fieldBits } from "../bits.ts";
import { armFields, armReservedMask } from "./arm/lookup.ts";
import type { Register } from "../cpuid.ts";
import type { AnyField, ArmField, CpuType, MsrField } from "./field.ts";
import { cpuidFields, msrFields } from "./lookup.ts";
import { isAnnouncement, isPlanned, reservedMask } from "./masks.ts";

/** An MSR's address, or KVM's id of an aarch64 register. */
export type RegisterId = number | bigint;

export function compareIds(a: RegisterId, b: RegisterId): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

/** Where a word stands. */
export type WordPlace =
  | { readonly leaf: number; readonly subleaf: number; readonly register: Register }
  | { readonly id: RegisterId };

/** The rows of one word, lowest bit first. */
export function fieldsAt(type: CpuType, place: WordPlace): readonly AnyField[] {
  return "id" in place
    ? registerFields(type, place.id)
    : cpuidFields(type, place.leaf, place.subleaf, place.register);
}

/** Bits of a word that no row covers. */
export function reservedAt(type: CpuType, place: WordPlace): bigint {
  return "id" in place
    ? reservedRegisterMask(type, place.id)
    : BigInt(reservedMask(type, place.leaf, place.subleaf, place.register));
}

export function registerFields(type: CpuType, id: RegisterId): readonly (MsrField | ArmField)[] {
  return typeof id === "number" ? msrFields(type, id) : armFields(id);
}

function bitsOf(fields: readonly (MsrField | ArmField)[]): bigint {
  return fields.reduce((mask, field) => mask | fieldBits(field), 0n);
}

const WORD = 2n ** 64n - 1n;

/** Bits that no row covers, in a register that describes the CPU. */
function reservedRegisterMask(type: CpuType, id: RegisterId): bigint {
  return typeof id === "number" ? WORD & ~bitsOf(msrFields(type, id)) : armReservedMask(id);
}

/** Bits that a plan decides: its fields, and the reserved ones, which it clears. */
export function plannedRegisterMask(type: CpuType, id: RegisterId): bigint {
  const planned = registerFields(type, id).filter(isPlanned);
  return bitsOf(planned) | reservedRegisterMask(type, id);
}

/** Whether a plan decides anything of a register: it says what the CPU is, and may be changed. */
export function isPlannedRegister(type: CpuType, id: RegisterId): boolean {
  return typeof id === "number"
    ? msrFields(type, id).some(isPlanned)
    : plannedRegisterMask(type, id) !== 0n;
}

/** Bits of a register that announce weaknesses and remedies. */
export function weaknessMask(type: CpuType, id: RegisterId): bigint {
  return bitsOf(registerFields(type, id).filter(({ kind }) => isAnnouncement(kind)));
}
