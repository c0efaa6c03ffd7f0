/**
 * What a node is asked for when Firecracker boots a microVM there: everything that a vCPU is given
 * before its first instruction, computed from what KVM offers and from the template.
 */
import type { CpuidEntry, MsrValue } from "../cpuid.ts";
import { simulate, type GuestView } from "../firecracker/simulate.ts";
import type { OfferedCpu } from "../profile/profile.ts";
import type { Vendor } from "../tables/field.ts";
import type { CpuTemplate } from "../template/template.ts";
import { bootMsrs } from "../firecracker/boot-msrs.ts";

export interface BootRequest {
  readonly vendor: Vendor;
  /** Firecracker's release line. */
  readonly line: string;
  readonly template: CpuTemplate;
  readonly offered: OfferedCpu;
  /** Template and normalization. */
  readonly view: GuestView;
  /** For KVM_SET_CPUID2. */
  readonly cpuid: readonly CpuidEntry[];
  /** For KVM_SET_MSRS: the template's, then the boot protocol's, each address once. */
  readonly msrs: readonly MsrValue[];
}

export function bootRequest(
  offered: OfferedCpu,
  vendor: Vendor,
  line: string,
  template: CpuTemplate,
): BootRequest {
  const view = simulate(offered, vendor, line, template);
  const msrs = new Map<number, bigint>();
  for (const { addr } of template.msrModifiers) {
    const value = view.msrs.get(addr);
    if (value !== undefined) msrs.set(addr, value);
  }
  for (const { addr, value } of bootMsrs(line)) msrs.set(addr, value);
  return {
    vendor,
    line,
    template,
    offered,
    view,
    cpuid: [...view.cpuid.values()],
    msrs: [...msrs].map(([addr, value]) => ({ addr, value })).toSorted((a, b) => a.addr - b.addr),
  };
}

/** What the vCPU answered afterwards. */
export interface BootAnswer {
  readonly cpuid: readonly CpuidEntry[];
  /** Of the MSRs asked for, those that could be read. */
  readonly msrs: ReadonlyMap<number, bigint>;
  /** MSRs that KVM_SET_MSRS did not take. */
  readonly refused: readonly number[];
  /** KVM's capabilities by number. */
  readonly capabilities: ReadonlyMap<number, number>;
  /** Why KVM_SET_CPUID2 failed, if it did; then nothing else could be given. */
  readonly error: string | undefined;
}
