/** The one way an address is written: as the vendors' manuals write it. */
import type { Register } from "../cpuid.ts";
import { armRegisterName } from "../tables/arm/lookup.ts";
import type { AnyField } from "../tables/field.ts";
import { LEAVES_WITH_SUBLEAVES } from "../tables/leaves.ts";
import type { RegisterId, WordPlace } from "../tables/registers.ts";

function hex(value: number | bigint, digits = 0): string {
  return `${value.toString(16).toUpperCase().padStart(digits, "0")}H`;
}

/** `CPUID.01H` or `CPUID.(EAX=07H,ECX=0)`. */
export function leafAddress(leaf: number, subleaf: number): string {
  const name = hex(leaf, 2);
  return subleaf !== 0 || LEAVES_WITH_SUBLEAVES.has(leaf)
    ? `CPUID.(EAX=${name},ECX=${subleaf.toString(16).toUpperCase()}${subleaf > 9 ? "H" : ""})`
    : `CPUID.${name}`;
}

/** `CPUID.(EAX=07H,ECX=0):EBX`. */
export function registerAddress(leaf: number, subleaf: number, register: Register): string {
  return `${leafAddress(leaf, subleaf)}:${register.toUpperCase()}`;
}

export function bitRange(hi: number, lo: number): string {
  return hi === lo ? `[${hi}]` : `[${hi}:${lo}]`;
}

/** `MSR 10AH`. */
export function msrAddress(addr: number): string {
  return `MSR ${hex(addr)}`;
}

/** `MSR 10AH` or `ID_AA64ISAR0_EL1`. */
export function registerName(id: RegisterId): string {
  return typeof id === "number" ? msrAddress(id) : armRegisterName(id);
}

/** {@link registerAddress} or {@link registerName}. */
export function wordAddress(place: WordPlace): string {
  return "id" in place
    ? registerName(place.id)
    : registerAddress(place.leaf, place.subleaf, place.register);
}

/** `CPUID.(EAX=07H,ECX=0):EBX[16]`, `MSR 10AH[19]` or `ID_AA64ISAR0_EL1[7:4]`. */
export function fieldAddress(field: AnyField): string {
  return `${registerOf(field)}${bitRange(field.hi, field.lo)}`;
}

function registerOf(field: AnyField): string {
  if ("id" in field) return field.register;
  if ("addr" in field) return msrAddress(field.addr);
  return registerAddress(field.leaf, field.subleaf ?? 0, field.register);
}

export function hex32(value: number): string {
  return `0x${(value >>> 0).toString(16).padStart(8, "0")}`;
}

export function hexNumber(value: number | bigint): string {
  return `0x${value.toString(16)}`;
}
