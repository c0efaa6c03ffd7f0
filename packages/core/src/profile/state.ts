/** A CPU as its words by place, read field by field: what a node offers, or what a guest is shown. */
import { extract32, extract64 } from "../bits.ts";
import { entryKey, indexEntries, type CpuidMap } from "../cpuid.ts";
import type { CpuidField, CpuType, MsrField } from "../tables/field.ts";
import { fieldByName, isRowOf } from "../tables/lookup.ts";
import type { RegisterId } from "../tables/registers.ts";
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

/** The bits of a field; 0 where its register is not there, or another vendor's. */
export function fieldValue(state: CpuState, field: CpuidField | MsrField): bigint {
  if (!isRowOf(field, state.type)) return 0n;
  if ("addr" in field) return extract64(state.registers.get(field.addr) ?? 0n, field.hi, field.lo);
  const entry = state.cpuid.get(entryKey(field.leaf, field.subleaf ?? 0));
  return BigInt(extract32(entry?.[field.register] ?? 0, field.hi, field.lo));
}

/** Whether any bit of a field is set; a field of CPUID without the price of a bigint. */
export function isSet(state: CpuState, field: CpuidField | MsrField): boolean {
  if ("addr" in field) return fieldValue(state, field) !== 0n;
  if (!isRowOf(field, state.type)) return false;
  const entry = state.cpuid.get(entryKey(field.leaf, field.subleaf ?? 0));
  return entry !== undefined && extract32(entry[field.register], field.hi, field.lo) !== 0;
}

export function hasField(state: CpuState, name: string): boolean {
  const field = fieldByName(name);
  return field !== undefined && isSet(state, field);
}
