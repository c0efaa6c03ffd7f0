/** Finding rows: by place and by name. Everything else derives from the rows found here. */
import { groupBy } from "../group.ts";
import { eachRegister, entryKey, type Register } from "../cpuid.ts";
import { AMD_FIELDS } from "./cpuid/amd.ts";
import { BASIC_FIELDS } from "./cpuid/basic.ts";
import { ENUMERATION_FIELDS } from "./cpuid/enumerations.ts";
import { EXTENDED_FIELDS } from "./cpuid/extended.ts";
import { PARAVIRTUAL_FIELDS } from "./cpuid/paravirtual.ts";
import { STRUCTURED_FIELDS } from "./cpuid/structured.ts";
import { XSAVE_FIELDS } from "./cpuid/xsave.ts";
import { byType, type CpuidField, type CpuType, type MsrField, type Reader } from "./field.ts";
import { CAPABILITY_FIELDS } from "./msr/capabilities.ts";
import { STATE_FIELDS } from "./msr/state.ts";

export const CPUID_FIELDS: readonly CpuidField[] = [
  ...BASIC_FIELDS,
  ...STRUCTURED_FIELDS,
  ...XSAVE_FIELDS,
  ...ENUMERATION_FIELDS,
  ...PARAVIRTUAL_FIELDS,
  ...EXTENDED_FIELDS,
  ...AMD_FIELDS,
];

export const MSR_FIELDS: readonly MsrField[] = [...CAPABILITY_FIELDS, ...STATE_FIELDS];

const byPlace = groupBy(CPUID_FIELDS, placeOf);
const byAddress = groupBy(MSR_FIELDS, (field) => field.addr);
const byName = new Map<string, CpuidField | MsrField>(
  [...CPUID_FIELDS, ...MSR_FIELDS].map((field) => [field.name, field]),
);

function placeOf({ leaf, subleaf, register }: CpuidField): string {
  return `${subleaf === undefined ? leaf.toString(16) : entryKey(leaf, subleaf)}:${register}`;
}

export function isRowOf({ vendors }: CpuidField | MsrField, type: CpuType): boolean {
  return vendors.some((vendor) => vendor === type);
}

type RowsOfEntry = Readonly<Record<Register, readonly CpuidField[]>>;

/** Rows by leaf and subleaf: asked for once per register of every node, and more. */
const cache = byType(() => new Map<number, RowsOfEntry>());
const SUBLEAVES = 2 ** 16;

function findFields(type: CpuType, leaf: number, subleaf: number, register: Register) {
  const place = `${entryKey(leaf, subleaf)}:${register}`;
  const found = byPlace.get(place) ?? byPlace.get(`${leaf.toString(16)}:${register}`) ?? [];
  return found.filter((field) => isRowOf(field, type)).toSorted(byLowestBit);
}

/** The rows of one CPUID register on a vendor's CPUs, lowest bit first. */
export function cpuidFields(
  type: CpuType,
  leaf: number,
  subleaf: number,
  register: Register,
): readonly CpuidField[] {
  if (subleaf >= SUBLEAVES) return findFields(type, leaf, subleaf, register);
  const key = leaf * SUBLEAVES + subleaf;
  const known = cache[type].get(key);
  if (known !== undefined) return known[register];
  const rows = eachRegister((of) => findFields(type, leaf, subleaf, of));
  // A hostile file may name any number of leaves; only known ones are worth remembering.
  if (Object.values(rows).some(({ length }) => length > 0)) cache[type].set(key, rows);
  return rows[register];
}

function byLowestBit(a: { lo: number }, b: { lo: number }): number {
  return a.lo - b.lo;
}

const NO_ROWS: readonly MsrField[] = [];
const msrCache = byType(() => new Map<number, readonly MsrField[]>());

/** The rows of one MSR on a vendor's CPUs, lowest bit first. */
export function msrFields(type: CpuType, addr: number): readonly MsrField[] {
  const found = byAddress.get(addr);
  if (found === undefined) return NO_ROWS;
  const known = msrCache[type].get(addr);
  if (known !== undefined) return known;
  const fields = found.filter((field) => isRowOf(field, type)).toSorted(byLowestBit);
  msrCache[type].set(addr, fields);
  return fields;
}

export function fieldByName(name: string): CpuidField | MsrField | undefined {
  return byName.get(name);
}

/** What printing a feature needs: its heading, and who reads it. */
export interface FieldInfo {
  readonly name: string;
  readonly group: string;
  readonly readBy: Reader;
}

export function fieldInfo(name: string): FieldInfo {
  const field = byName.get(name);
  return { name, group: field?.group ?? "", readBy: field?.readBy ?? "kernel" };
}
