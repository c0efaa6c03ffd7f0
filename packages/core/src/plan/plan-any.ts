/** Planning a pool of either architecture. */
import { planArm, type ArmPlan } from "../arm/plan-arm.ts";
import { fail } from "../errors.ts";
import type { NodeProfile } from "../profile/profile.ts";
import { armPlanToJson } from "./file-arm.ts";
import { planToJson } from "./file.ts";
import { DEFAULT_OPTIONS, type Plan, type PlanOptions } from "./plan.ts";
import { planPool } from "./pools.ts";
import { refuseArchitectures, refuseDuplicateNames, type Refusal } from "./refuse.ts";

export type AnyPlanResult =
  | { readonly ok: true; readonly plan: Plan | ArmPlan }
  | { readonly ok: false; readonly refusals: readonly Refusal[] };

/**
 * Plans x86 or aarch64 profiles; a mixture is refused. An identity cannot be chosen on aarch64,
 * where no template can set it.
 */
export function planAny(
  profiles: readonly NodeProfile[],
  options: PlanOptions = DEFAULT_OPTIONS,
): AnyPlanResult {
  if (profiles.length === 0) return fail("EMPTY_POOL", "there is no profile to plan");
  refuseDuplicateNames(profiles);
  const mixture = refuseArchitectures(profiles);
  if (mixture !== undefined) return { ok: false, refusals: [mixture] };
  return profiles[0]?.cpu.arch === "aarch64"
    ? planArm(profiles, options.firecracker)
    : planPool(profiles, options);
}

/** The plan as plain data: what `plan.json` holds and what `--json` prints. */
export function anyPlanToJson(plan: Plan | ArmPlan): object {
  return plan.arch === "aarch64" ? armPlanToJson(plan) : planToJson(plan);
}
