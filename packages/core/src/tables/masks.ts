/** Masks that derive from the rows: which bits of a register a pool plans. */
import { mask32, mask64 } from "../bits.ts";
import { entryKey, REGISTERS, type Register, type Registers } from "../cpuid.ts";
import type { Kind, Vendor } from "./field.ts";
import { cpuidFields, msrFields } from "./lookup.ts";

/** Kinds that a plan leaves as each node has them. */
const FREE: ReadonlySet<Kind> = new Set(["topology", "owned", "state"]);

export function isFree(kind: Kind): boolean {
  return FREE.has(kind);
}

/** Kinds of bits that a guest may rely on. */
export function isPromise(kind: string): boolean {
  return kind === "feature" || kind === "remedy";
}

/** Kinds of bits that a guest must know of where its node has them. */
export function isAnnouncement(kind: string): boolean {
  return kind === "union" || kind === "remedy";
}

function planned(vendor: Vendor, leaf: number, subleaf: number, register: Register): number {
  return cpuidFields(vendor, leaf, subleaf, register).reduce(
    (mask, { kind, hi, lo }) => (isFree(kind) ? (mask & ~mask32(hi, lo)) >>> 0 : mask),
    0xffff_ffff,
  );
}

const ALL_PLANNED: Registers = { eax: ~0 >>> 0, ebx: ~0 >>> 0, ecx: ~0 >>> 0, edx: ~0 >>> 0 };
const caches: Readonly<Record<Vendor, Map<string, Registers>>> = {
  intel: new Map(),
  amd: new Map(),
};

/** Bits of an entry that a plan decides: named ones and the reserved ones, which it clears. */
export function plannedMasks(vendor: Vendor, leaf: number, subleaf: number): Registers {
  const key = entryKey(leaf, subleaf);
  const known = caches[vendor].get(key);
  if (known !== undefined) return known;
  const hasRows = REGISTERS.some((r) => cpuidFields(vendor, leaf, subleaf, r).length > 0);
  // A hostile file may name any number of leaves; only known ones are worth remembering.
  if (!hasRows) return ALL_PLANNED;
  const [eax = 0, ebx = 0, ecx = 0, edx = 0] = REGISTERS.map((register) =>
    planned(vendor, leaf, subleaf, register),
  );
  const masks = { eax, ebx, ecx, edx };
  caches[vendor].set(key, masks);
  return masks;
}

/** Bits that no row covers. */
export function reservedMask(
  vendor: Vendor,
  leaf: number,
  subleaf: number,
  register: Register,
): number {
  const fields = cpuidFields(vendor, leaf, subleaf, register);
  return fields.reduce((mask, { hi, lo }) => (mask & ~mask32(hi, lo)) >>> 0, 0xffff_ffff);
}

/** Whether an MSR says what the CPU is, rather than being a vCPU's state or unknown. */
export function isFeatureMsr(vendor: Vendor, addr: number): boolean {
  return msrFields(vendor, addr).some((field) => !isFree(field.kind));
}

export function plannedMsrMask(vendor: Vendor, addr: number): bigint {
  return msrFields(vendor, addr).reduce(
    (mask, { kind, hi, lo }) => (isFree(kind) ? mask & ~mask64(hi, lo) : mask),
    2n ** 64n - 1n,
  );
}

/** Bits of an MSR that announce weaknesses and remedies. */
export function weaknessMsrMask(vendor: Vendor, addr: number): bigint {
  return msrFields(vendor, addr).reduce(
    (mask, { kind, hi, lo }) => (isAnnouncement(kind) ? mask | mask64(hi, lo) : mask),
    0n,
  );
}

export function reservedMsrMask(vendor: Vendor, addr: number): bigint {
  return msrFields(vendor, addr).reduce(
    (mask, { hi, lo }) => mask & ~mask64(hi, lo),
    2n ** 64n - 1n,
  );
}
