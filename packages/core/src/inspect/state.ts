/** What can be decoded and compared as a CPU: a profile, a contract, or a plan's guest CPU. */
import { contractType, type CpuContract } from "../contract/contract.ts";
import { indexEntries } from "../cpuid.ts";
import type { PlanFile } from "../plan/find-class.ts";
import { plannedEntries } from "../plan/prove.ts";
import { registersOf, type OfferedCpu } from "../profile/profile.ts";
import { stateOfCpu, type CpuState } from "../profile/state.ts";
import { decode, type DecodedField } from "./decode.ts";

/** What nodes keep reads as zero. */
export function stateOfPlan({ type, guest }: Pick<PlanFile, "type" | "guest">): CpuState {
  const registers = new Map(guest.registers.map(({ id, value }) => [id, value]));
  return { type, cpuid: plannedEntries(guest), registers };
}

export function stateOfContract(contract: CpuContract): CpuState | undefined {
  const type = contractType(contract);
  return type && { type, cpuid: indexEntries(contract.cpuid), registers: registersOf(contract) };
}

/** What a node offers, in names; undefined for vendors nothing is known about. */
export function profileFields(cpu: OfferedCpu): DecodedField[] | undefined {
  const state = stateOfCpu(cpu);
  return state && decode(state);
}

export function planFields(plan: PlanFile): DecodedField[] {
  return decode(stateOfPlan(plan));
}

/** What a contract promises, in names; undefined for vendors nothing is known about. */
export function contractFields(contract: CpuContract): DecodedField[] | undefined {
  const state = stateOfContract(contract);
  return state && decode(state);
}
