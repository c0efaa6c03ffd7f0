/** One feature, asked of a node, a contract or a plan. */
import type { CpuContract } from "../contract/contract.ts";
import { missingOf } from "../profile/complete.ts";
import type { NodeProfile } from "../profile/profile.ts";
import { hasField, stateOfCpu, type CpuState } from "../profile/state.ts";
import type { PlanFile } from "../plan/find-class.ts";
import { UNCOUNTED_GROUPS } from "../tables/groups.ts";
import { fieldByName } from "../tables/lookup.ts";
import { stateOfContract, stateOfPlan } from "./state.ts";

/** `unknown`: what was asked does not say, or its CPU vendor is unknown. */
export type Answer = "yes" | "no" | "unknown";

/** Names are those of x86's rows; a CPU of aarch64 is not asked by them. */
function namedState(state: CpuState | undefined): CpuState | undefined {
  return state?.type === "aarch64" ? undefined : state;
}

/** Whether a node can honour a feature (a row's name). A profile with gaps never says no. */
export function offersFeature(profile: NodeProfile, name: string): Answer {
  const state = namedState(stateOfCpu(profile.cpu));
  if (state === undefined) return "unknown";
  if (hasField(state, name)) return profile.estimate ? "unknown" : "yes";
  const gaps = missingOf(profile, state.type, state.cpuid);
  return gaps.length === 0 && !profile.estimate ? "no" : "unknown";
}

export function promisesFeature(contract: CpuContract, name: string): Answer {
  const state = namedState(stateOfContract(contract));
  if (state === undefined) return "unknown";
  if (hasField(state, name)) return "yes";
  return contract.incomplete.length === 0 ? "no" : "unknown";
}

export function planHasFeature(plan: PlanFile, name: string): Answer {
  const state = namedState(stateOfPlan(plan));
  if (state === undefined) return "unknown";
  return hasField(state, name) ? "yes" : "no";
}

/** Whether a class of a plan can honour a feature, as far as the plan says. */
export function classOffersFeature(
  plan: PlanFile,
  { givesUp }: PlanFile["classes"][number],
  name: string,
): Answer {
  const planned = planHasFeature(plan, name);
  if (planned !== "no") return planned;
  if (givesUp === undefined) return "unknown";
  // State components and repeated bits are not listed as given up.
  if (UNCOUNTED_GROUPS.has(fieldByName(name)?.group ?? "")) return "unknown";
  return givesUp.includes(name) ? "yes" : "no";
}
