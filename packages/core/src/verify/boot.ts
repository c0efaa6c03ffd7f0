/**
 * What a node is asked for when Firecracker boots a microVM there: everything that a vCPU is given
 * before its first instruction, computed from what KVM offers and from the template. On aarch64 that
 * is the template's registers, each by KVM_SET_ONE_REG.
 * Source: `configure` in src/vmm/src/arch/{x86_64,aarch64}/vcpu.rs, v1.5.0 to v1.16.0.
 */
import type { CpuidEntry } from "../cpuid.ts";
import { bootMsrs } from "../firecracker/boot-msrs.ts";
import { simulate, type GuestView } from "../firecracker/simulate.ts";
import type { OfferedCpu } from "../profile/profile.ts";
import type { CpuType } from "../tables/field.ts";
import { compareIds, type RegisterId } from "../tables/registers.ts";
import type { CpuTemplate } from "../template/template.ts";

interface RegisterValue {
  readonly id: RegisterId;
  readonly value: bigint;
}

export interface BootRequest {
  readonly type: CpuType;
  readonly line: string;
  readonly template: CpuTemplate;
  readonly offered: OfferedCpu;
  readonly view: GuestView;
  /** For KVM_SET_CPUID2. */
  readonly cpuid: readonly CpuidEntry[];
  /** The template's, then the boot protocol's, each once. */
  readonly registers: readonly RegisterValue[];
}

export function bootRequest(
  offered: OfferedCpu,
  type: CpuType,
  line: string,
  template: CpuTemplate,
): BootRequest {
  const view = simulate(offered, type, line, template);
  const registers = new Map<RegisterId, bigint>();
  for (const { addr } of [...template.msrModifiers, ...template.regModifiers]) {
    const value = view.registers.get(addr);
    if (value !== undefined) registers.set(addr, value);
  }
  for (const { addr, value } of bootMsrs(line, type)) registers.set(addr, value);
  return {
    type,
    line,
    template,
    offered,
    view,
    cpuid: [...view.cpuid.values()],
    registers: [...registers].map(([id, value]) => ({ id, value })).toSorted(byAddress),
  };
}

/** MSRs by address; aarch64's registers as they come, each by a call of its own. */
function byAddress({ id: a }: RegisterValue, { id: b }: RegisterValue): number {
  return typeof a === "number" ? compareIds(a, b) : 0;
}

export interface BootAnswer {
  readonly cpuid: readonly CpuidEntry[];
  /** Of the registers asked for, those that could be read. */
  readonly registers: ReadonlyMap<RegisterId, bigint>;
  /** Registers that KVM did not take, with its error in words; empty where it gives none. */
  readonly refused: ReadonlyMap<RegisterId, string>;
  readonly capabilities: ReadonlyMap<number, number>;
  /** Why KVM_SET_CPUID2 failed, if it did; then nothing else could be given. */
  readonly error: string | undefined;
}
