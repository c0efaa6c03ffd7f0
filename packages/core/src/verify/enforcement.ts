/** The trial of a node's KVM in names. */
import type { NodeProfile } from "../profile/profile.ts";
import { cpuidFields } from "../tables/lookup.ts";
import type { CpuidField } from "../tables/field.ts";
import { mask32 } from "../bits.ts";
import { followsState } from "./read-back.ts";
import { vendorOfCpu } from "../tables/vendors.ts";

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
