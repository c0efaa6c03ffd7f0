/**
 * What KVM answers after a vCPU was given its CPUID, compared with what it was given: the one
 * comparison for the trial of a node and for the verification of a template.
 */
import { mask32 } from "../bits.ts";
import {
  compareEntries,
  eachRegister,
  indexEntries,
  keyOf,
  REGISTERS,
  type CpuidEntry,
  type Register,
} from "../cpuid.ts";
import type { ChangedWord } from "../profile/kvm-facts.ts";
import type { CpuidField, Vendor } from "../tables/field.ts";
import { cpuidFields } from "../tables/lookup.ts";
import { isAnnouncement } from "../tables/masks.ts";
import type { NodeProfile } from "../profile/profile.ts";
import { vendorOfCpu } from "../tables/vendors.ts";

/**
 * Fields that KVM keeps in step with the vCPU's state, whatever it was given. Those of kind
 * `owned` are nobody's promise; the local APIC's bit is a feature that KVM ties to
 * IA32_APIC_BASE[11], which is 1 on a vCPU that was just created.
 * Source: `kvm_update_cpuid_runtime` in Linux arch/x86/kvm/cpuid.c.
 */
export function followsState({ name, kind }: { name: string; kind: string }): boolean {
  return kind === "owned" || name === "APIC";
}

function maskOf(fields: readonly CpuidField[]): number {
  return fields.reduce((mask, { hi, lo }) => (mask | mask32(hi, lo)) >>> 0, 0);
}

function stateMask(vendor: Vendor, leaf: number, subleaf: number, register: Register): number {
  return maskOf(cpuidFields(vendor, leaf, subleaf, register).filter(followsState));
}

const NOTHING = eachRegister(() => 0);

/** Words that came back different, sorted; an entry that is absent reads as zero. */
export function changedWords(
  vendor: Vendor,
  asked: readonly CpuidEntry[],
  answered: readonly CpuidEntry[],
): ChangedWord[] {
  const [before, after] = [indexEntries(asked), indexEntries(answered)];
  const places = [...new Map([...before, ...after]).values()].toSorted(compareEntries);
  return places.flatMap((place) => {
    const { leaf, subleaf } = place;
    const [from, to] = [before.get(keyOf(place)) ?? NOTHING, after.get(keyOf(place)) ?? NOTHING];
    return REGISTERS.flatMap((register): ChangedWord[] => {
      const compared = ~stateMask(vendor, leaf, subleaf, register);
      if (((from[register] ^ to[register]) & compared) === 0) return [];
      return [{ leaf, subleaf, register, asked: from[register], answered: to[register] }];
    });
  });
}

const STEPPING = mask32(3, 0);

function trialWord(vendor: Vendor, entry: CpuidEntry, register: Register): number {
  const { leaf, subleaf } = entry;
  const fields = cpuidFields(vendor, leaf, subleaf, register).filter((f) => !followsState(f));
  const features = maskOf(fields.filter(({ kind }) => kind === "feature"));
  const weaknesses = maskOf(fields.filter(({ kind }) => isAnnouncement(kind)));
  const word = (entry[register] & ~features) | weaknesses;
  const isSignature = leaf === 1 && register === "eax";
  return (isSignature ? word ^ (STEPPING & 1) : word) >>> 0;
}

/** Every feature hidden, every weakness announced, another stepping; KVM checks some numbers. */
export function trialCpuid(vendor: Vendor, offered: readonly CpuidEntry[]): CpuidEntry[] {
  return offered.map((entry) => ({
    ...entry,
    ...eachRegister((register) => trialWord(vendor, entry, register)),
  }));
}

export interface ChangedField extends CpuidField {
  /** Hidden and shown all the same; else announced and hidden. */
  readonly shown: boolean;
}

/** The fields that came back other than they were asked for; empty where none did. */
export function changedFields({ cpu, kvm }: NodeProfile): ChangedField[] {
  const vendor = vendorOfCpu(cpu.cpuid);
  if (vendor === undefined) return [];
  return (kvm?.enforcement?.changed ?? []).flatMap(({ leaf, subleaf, register, asked, answered }) =>
    cpuidFields(vendor, leaf, subleaf, register)
      .filter((field) => !followsState(field))
      .filter(({ hi, lo }) => ((asked ^ answered) & mask32(hi, lo)) !== 0)
      .map((field) => ({ ...field, shown: (answered & mask32(field.hi, field.lo)) !== 0 })),
  );
}
