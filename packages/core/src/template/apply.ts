/** What a template does to a CPU's words: what Firecracker does at InstanceStart. */
import { entryKey, keyOf, type CpuidEntry, type CpuidMap } from "../cpuid.ts";
import { leafAddress, registerName } from "../format/address.ts";
import type { RegisterId } from "../tables/registers.ts";
import { applyBitmap32, applyWideBitmap } from "./bitmap.ts";
import type { CpuidModifier, CpuTemplate } from "./template.ts";

/** An entry or register of the template that the node does not have; fatal in Firecracker. */
export type MissingEntry =
  | { readonly kind: "cpuid"; readonly leaf: number; readonly subleaf: number }
  | { readonly kind: "register"; readonly id: RegisterId };

export function missingAddress(missing: MissingEntry): string {
  return missing.kind === "register"
    ? registerName(missing.id)
    : leafAddress(missing.leaf, missing.subleaf);
}

export interface Applied {
  readonly cpuid: CpuidMap;
  /** MSRs, or aarch64's registers. */
  readonly registers: ReadonlyMap<RegisterId, bigint>;
  /** Not empty: Firecracker refuses to start the microVM. */
  readonly missing: readonly MissingEntry[];
}

function applyEntry(entry: CpuidEntry, modifier: CpuidModifier): CpuidEntry {
  const changed = { ...entry, flags: modifier.flags };
  for (const m of modifier.modifiers) changed[m.register] = applyBitmap32(entry[m.register], m);
  return changed;
}

export function applyTemplate(
  cpuid: CpuidMap,
  registers: ReadonlyMap<RegisterId, bigint>,
  template: CpuTemplate,
): Applied {
  const missing: MissingEntry[] = [];
  const newCpuid = new Map(cpuid);
  for (const modifier of template.cpuidModifiers) {
    const { leaf, subleaf } = modifier;
    const entry = cpuid.get(entryKey(leaf, subleaf));
    if (entry === undefined) missing.push({ kind: "cpuid", leaf, subleaf });
    else newCpuid.set(keyOf(entry), applyEntry(entry, modifier));
  }
  const newRegisters = new Map(registers);
  for (const { addr: id, ...bitmap } of [...template.msrModifiers, ...template.regModifiers]) {
    const value = registers.get(id);
    if (value === undefined) missing.push({ kind: "register", id });
    else newRegisters.set(id, applyWideBitmap(value, bitmap));
  }
  return { cpuid: newCpuid, registers: newRegisters, missing };
}
