/** One feature, asked of a node, a contract or a plan. */
import { extract32, extract64 } from "../bits.ts";
import type { CpuContract } from "../contract/contract.ts";
import { entryKey, indexEntries } from "../cpuid.ts";
import { missingFacts } from "../profile/complete.ts";
import type { NodeProfile } from "../profile/profile.ts";
import type { PlanFile } from "../plan/plan-file.ts";
import { UNCOUNTED_GROUPS } from "../tables/groups.ts";
import { fieldByName } from "../tables/lookup.ts";
import type { CpuState } from "./decode.ts";
import { stateOfContract, stateOfPlan, stateOfProfile } from "./state.ts";

/** `unknown`: what was asked does not say, or nothing is known about its vendor. */
export type Answer = "yes" | "no" | "unknown";

function hasBit({ vendor, cpuid, msrs }: CpuState, name: string): boolean {
  const field = fieldByName(name);
  if (field === undefined || !field.vendors.includes(vendor)) return false;
  if ("addr" in field) return extract64(msrs.get(field.addr) ?? 0n, field.hi, field.lo) !== 0n;
  const entry = cpuid.get(entryKey(field.leaf, field.subleaf ?? 0));
  return entry !== undefined && extract32(entry[field.register], field.hi, field.lo) !== 0;
}

/** Whether a node can honour a feature (a row's name). A profile with gaps never says no. */
export function offersFeature(profile: NodeProfile, name: string): Answer {
  const state = stateOfProfile(profile.cpu);
  if (state === undefined) return "unknown";
  if (hasBit(state, name)) return profile.estimate ? "unknown" : "yes";
  const gaps = missingFacts(profile, indexEntries(profile.cpu.cpuid), state.vendor);
  return gaps.length === 0 && !profile.estimate ? "no" : "unknown";
}

/** Whether the guest of a snapshot was told that it has a feature. */
export function promisesFeature(contract: CpuContract, name: string): Answer {
  const state = stateOfContract(contract);
  if (state === undefined) return "unknown";
  if (hasBit(state, name)) return "yes";
  return contract.incomplete.length === 0 ? "no" : "unknown";
}

/** Whether the guests of a plan have a feature. */
export function planHasFeature(plan: PlanFile, name: string): Answer {
  if (plan.arch !== "x86_64") return "unknown";
  return hasBit(stateOfPlan(plan.vendor, plan.guest), name) ? "yes" : "no";
}

/** Whether a class of a plan can honour a feature, as far as the plan says. */
export function classOffersFeature(
  plan: PlanFile,
  { givesUp }: PlanFile["classes"][number],
  name: string,
): Answer {
  if (planHasFeature(plan, name) === "yes") return "yes";
  if (plan.arch !== "x86_64" || givesUp === undefined) return "unknown";
  // State components and repeated bits are not listed as given up.
  if (UNCOUNTED_GROUPS.has(fieldByName(name)?.group ?? "")) return "unknown";
  return givesUp.includes(name) ? "yes" : "no";
}
