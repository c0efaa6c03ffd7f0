/** What can be decoded and compared as a CPU: a profile, or a plan's guest CPU. */
import type { CpuContract } from "../contract/contract.ts";
import { entryKey, indexEntries } from "../cpuid.ts";
import type { GuestCpu } from "../plan/guest.ts";
import type { OfferedCpu } from "../profile/profile.ts";
import type { Vendor } from "../tables/field.ts";
import { vendorOf } from "../tables/vendors.ts";
import type { CpuState } from "./decode.ts";

/** Undefined for aarch64 and for vendors nothing is known about. */
export function stateOfProfile(cpu: OfferedCpu): CpuState | undefined {
  const cpuid = indexEntries(cpu.cpuid);
  const leaf0 = cpuid.get(entryKey(0, 0));
  const vendor = leaf0 === undefined ? undefined : vendorOf(leaf0);
  if (vendor === undefined) return undefined;
  return { vendor, cpuid, msrs: new Map(cpu.msrs.map(({ addr, value }) => [addr, value])) };
}

export function stateOfPlan(vendor: Vendor, guest: GuestCpu): CpuState {
  const entries = guest.cpuid.map(({ leaf, subleaf, registers: r }) => ({
    leaf,
    subleaf,
    flags: 0,
    eax: r.eax.value,
    ebx: r.ebx.value,
    ecx: r.ecx.value,
    edx: r.edx.value,
  }));
  return {
    vendor,
    cpuid: indexEntries(entries),
    msrs: new Map(guest.msrs.map(({ addr, value }) => [addr, value])),
  };
}

/** Undefined for aarch64 and for vendors nothing is known about. */
export function stateOfContract({ vendor, cpuid, msrs }: CpuContract): CpuState | undefined {
  if (vendor === undefined) return undefined;
  return {
    vendor,
    cpuid: indexEntries(cpuid),
    msrs: new Map(msrs.map(({ addr, value }) => [addr, value])),
  };
}
