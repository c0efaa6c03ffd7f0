/** What a template does to CPUID entries and MSRs: what Firecracker does at InstanceStart. */
import { entryKey, keyOf, type CpuidEntry, type CpuidMap } from "../cpuid.ts";
import { applyBitmap32, applyWideBitmap } from "./bitmap.ts";
import type { CpuidModifier, CpuTemplate } from "./template.ts";

/** An entry of the template that the node does not have; fatal in Firecracker. */
export type MissingEntry =
  | { readonly kind: "cpuid"; readonly leaf: number; readonly subleaf: number }
  | { readonly kind: "msr"; readonly addr: number };

export interface Applied {
  readonly cpuid: CpuidMap;
  readonly msrs: ReadonlyMap<number, bigint>;
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
  msrs: ReadonlyMap<number, bigint>,
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
  const newMsrs = new Map(msrs);
  for (const modifier of template.msrModifiers) {
    const { addr } = modifier;
    const value = msrs.get(addr);
    if (value === undefined) missing.push({ kind: "msr", addr });
    else newMsrs.set(addr, applyWideBitmap(value, modifier));
  }
  return { cpuid: newCpuid, msrs: newMsrs, missing };
}
