/** What can be decoded and compared as a CPU: a profile, or a plan's guest CPU. */
import type { CpuContract } from "../contract/contract.ts";
import { decodeArm } from "./decode-arm.ts";
import type { ArmGuest } from "../plan/arm/guest.ts";
import { entryKey, indexEntries, type ArmRegister } from "../cpuid.ts";
import type { GuestCpu } from "../plan/guest.ts";
import type { OfferedCpu } from "../profile/profile.ts";
import type { Vendor } from "../tables/field.ts";
import { vendorOf } from "../tables/vendors.ts";
import type { PlanFile } from "../plan/plan-file.ts";
import { decode, type CpuState, type DecodedField } from "./decode.ts";

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

/** An aarch64 plan's guest CPU as registers; what nodes keep reads as zero. */
export function registersOfPlan({ registers }: ArmGuest): ArmRegister[] {
  return registers.map(({ id, value }) => ({ id, value }));
}

/** What a node offers, in names; undefined for x86 vendors nothing is known about. */
export function profileFields(cpu: OfferedCpu): DecodedField[] | undefined {
  if (cpu.arch === "aarch64") return decodeArm(cpu.registers);
  const state = stateOfProfile(cpu);
  return state === undefined ? undefined : decode(state);
}

/** A plan's guest CPU in names. */
export function planFields(plan: PlanFile): DecodedField[] {
  return plan.arch === "aarch64"
    ? decodeArm(registersOfPlan(plan.guest))
    : decode(stateOfPlan(plan.vendor, plan.guest));
}

/** What a contract promises, in names; undefined for x86 vendors nothing is known about. */
export function contractFields(contract: CpuContract): DecodedField[] | undefined {
  if (contract.arch === "aarch64") return decodeArm(contract.registers);
  const state = stateOfContract(contract);
  return state === undefined ? undefined : decode(state);
}
