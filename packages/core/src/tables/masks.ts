/** Masks that derive from the rows: which bits of a register a pool plans. */
import { mask32 } from "../bits.ts";
import { eachRegister, entryKey, REGISTERS, type Register, type Registers } from "../cpuid.ts";
import { byType, type AnyField, type CpuType, type Kind } from "./field.ts";
import { cpuidFields } from "./lookup.ts";

/** Kinds that a plan leaves as each node has them. */
const FREE: ReadonlySet<Kind> = new Set(["topology", "owned", "state"]);

export function isFree(kind: Kind): boolean {
  return FREE.has(kind);
}

/** Whether a plan decides over a field; the others stay as each node has them. */
export function isPlanned(field: AnyField): boolean {
  return field.merge !== "free" && !("ignoredSince" in field);
}

/** Kinds of bits that a guest may rely on. */
export function isPromise(kind: string): boolean {
  return kind === "feature" || kind === "remedy";
}

/** Kinds of bits that a guest must know of where its node has them. */
export function isAnnouncement(kind: string): boolean {
  return kind === "union" || kind === "remedy";
}

function planned(type: CpuType, leaf: number, subleaf: number, register: Register): number {
  return cpuidFields(type, leaf, subleaf, register).reduce(
    (mask, { kind, hi, lo }) => (isFree(kind) ? (mask & ~mask32(hi, lo)) >>> 0 : mask),
    0xffff_ffff,
  );
}

const ALL_PLANNED: Registers = eachRegister(() => 0xffff_ffff);
const caches = byType(() => new Map<string, Registers>());

/** Bits of an entry that a plan decides: named ones and the reserved ones, which it clears. */
export function plannedMasks(type: CpuType, leaf: number, subleaf: number): Registers {
  const key = entryKey(leaf, subleaf);
  const known = caches[type].get(key);
  if (known !== undefined) return known;
  const hasRows = REGISTERS.some((r) => cpuidFields(type, leaf, subleaf, r).length > 0);
  // A hostile file may name any number of leaves; only known ones are worth remembering.
  if (!hasRows) return ALL_PLANNED;
  const masks = eachRegister((register) => planned(type, leaf, subleaf, register));
  caches[type].set(key, masks);
  return masks;
}

export function reservedMask(
  type: CpuType,
  leaf: number,
  subleaf: number,
  register: Register,
): number {
  const fields = cpuidFields(type, leaf, subleaf, register);
  return fields.reduce((mask, { hi, lo }) => (mask & ~mask32(hi, lo)) >>> 0, 0xffff_ffff);
}
