/** A CPU as its words by place, read field by field: what a node offers, or what a guest is shown. */
import { extract32, readField } from "../bits.ts";
import { entryKey, indexEntries, REGISTERS, type CpuidMap } from "../cpuid.ts";
import type { AnyField, CpuType } from "../tables/field.ts";
import { fieldByName, isRowOf } from "../tables/lookup.ts";
import type { RegisterId, WordPlace } from "../tables/registers.ts";
import { cpuTypeOf } from "../tables/vendors.ts";
import { registersOf, type OfferedCpu } from "./profile.ts";

export interface CpuState {
  readonly type: CpuType;
  readonly cpuid: CpuidMap;
  /** MSRs, or aarch64's registers. */
  readonly registers: ReadonlyMap<RegisterId, bigint>;
}

export function stateOfCpu(cpu: OfferedCpu): CpuState | undefined {
  const type = cpuTypeOf(cpu);
  if (type === undefined) return undefined;
  return { type, cpuid: indexEntries(cpu.cpuid), registers: registersOf(cpu) };
}

/** The words of a CPU, whatever its rows. */
export type Words = Pick<CpuState, "cpuid" | "registers">;

/** Every word of a CPU, CPUID's first, in the order that they are held in. */
export function wordsOf({ cpuid, registers }: Words): { place: WordPlace; value: bigint }[] {
  const entries = [...cpuid.values()].flatMap((entry) =>
    REGISTERS.map((register) => {
      const { leaf, subleaf } = entry;
      return { place: { leaf, subleaf, register }, value: BigInt(entry[register]) };
    }),
  );
  return [...entries, ...[...registers].map(([id, value]) => ({ place: { id }, value }))];
}

/** One word of a CPU; undefined where it has no such entry or register. */
export function wordAt({ cpuid, registers }: Words, place: WordPlace): bigint | undefined {
  if ("id" in place) return registers.get(place.id);
  const entry = cpuid.get(entryKey(place.leaf, place.subleaf));
  return entry && BigInt(entry[place.register]);
}

/** The bits of a field; 0 where its register is not there, or another vendor's. */
export function fieldValue(state: CpuState, field: AnyField): bigint {
  if ("id" in field) return readField(state.registers.get(field.id) ?? 0n, field);
  if (!isRowOf(field, state.type)) return 0n;
  if ("addr" in field) return readField(state.registers.get(field.addr) ?? 0n, field);
  const entry = state.cpuid.get(entryKey(field.leaf, field.subleaf ?? 0));
  return BigInt(extract32(entry?.[field.register] ?? 0, field.hi, field.lo));
}

/** Whether any bit of a field is set; a field of CPUID without the price of a bigint. */
export function isSet(state: CpuState, field: AnyField): boolean {
  if (!("leaf" in field)) return fieldValue(state, field) !== 0n;
  if (!isRowOf(field, state.type)) return false;
  const entry = state.cpuid.get(entryKey(field.leaf, field.subleaf ?? 0));
  return entry !== undefined && extract32(entry[field.register], field.hi, field.lo) !== 0;
}

export function hasField(state: CpuState, name: string): boolean {
  const field = fieldByName(name);
  return field !== undefined && isSet(state, field);
}
