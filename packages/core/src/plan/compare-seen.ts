/** A guest that was looked at from inside, against the guest CPU that was planned: bit for bit. */
import { entryKey, indexEntries, REGISTERS, type CpuidEntry } from "../cpuid.ts";
import { hex32, registerAddress } from "../format/address.ts";
import type { GuestCpu } from "./guest-cpu.ts";

export interface PlannedDifference {
  readonly address: string;
  readonly planned: string;
  readonly actual: string;
  readonly bits: number;
}

/** Compares every bit that the plan decides. MSRs cannot be read from inside and are left out. */
export function compareSeen(
  planned: GuestCpu,
  actual: readonly CpuidEntry[],
): { readonly registers: number; readonly differences: readonly PlannedDifference[] } {
  const seen = indexEntries(actual);
  const differences: PlannedDifference[] = [];
  const compare = (address: string, want: number, have: number) => {
    if (want === have) return;
    const bits = (want ^ have) >>> 0;
    differences.push({ address, planned: hex32(want), actual: hex32(have), bits });
  };
  for (const { leaf, subleaf, registers } of planned.cpuid) {
    const entry = seen.get(entryKey(leaf, subleaf));
    for (const register of REGISTERS) {
      const { mask, value } = registers[register];
      const have = ((entry?.[register] ?? 0) & mask) >>> 0;
      compare(registerAddress(leaf, subleaf, register), value, have);
    }
  }
  const named = new Set(planned.cpuid.map(({ leaf, subleaf }) => entryKey(leaf, subleaf)));
  for (const entry of actual) {
    if (named.has(entryKey(entry.leaf, entry.subleaf))) continue;
    for (const register of REGISTERS) {
      compare(registerAddress(entry.leaf, entry.subleaf, register), 0, entry[register]);
    }
  }
  return { registers: planned.cpuid.length * REGISTERS.length, differences };
}
