/** Planning a pool of either architecture. */
import { planArm, type ArmPlan } from "./arm/plan-arm.ts";
import { fail } from "../errors.ts";
import type { NodeProfile } from "../profile/profile.ts";
import { armPlanToJson } from "./file-arm.ts";
import { planToJson } from "./file.ts";
import { judgePlan } from "./judge.ts";
import type { PlanMoves } from "./moves.ts";
import { DEFAULT_OPTIONS, type Plan, type PlanOptions } from "./plan.ts";
import { planUnlike } from "./pools.ts";
import { refuseArchitectures, refuseDuplicateNames, type Refusal } from "./refuse.ts";

/** An aarch64 plan whose moves were judged. */
export interface JudgedArmPlan extends ArmPlan {
  readonly moves: PlanMoves;
}

export type AnyPlan = Plan | JudgedArmPlan;

export type AnyPlanResult =
  | { readonly ok: true; readonly plan: AnyPlan }
  | { readonly ok: false; readonly refusals: readonly Refusal[] };

function planArmPool(profiles: readonly NodeProfile[], options: PlanOptions): AnyPlanResult {
  const result = planArm(profiles, options.firecracker);
  if (!result.ok) return result;
  const { plan } = result;
  const byName = new Map(profiles.map((profile) => [profile.name, profile]));
  const classes = plan.classes.map(({ armClass: { id, nodes }, template }) => ({
    id,
    template,
    profiles: nodes.flatMap((name) => byName.get(name) ?? []),
  }));
  const { accept } = options;
  const { moves, refusals } = judgePlan(classes, {
    vendor: "intel",
    lines: plan.firecracker,
    accept,
  });
  if (refusals.length > 0) return { ok: false, refusals };
  return { ok: true, plan: { ...plan, moves } };
}

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
    ? planArmPool(profiles, options)
    : planUnlike(profiles, options);
}

/** The plan as plain data: what `plan.json` holds and what `--json` prints. */
export function anyPlanToJson(plan: AnyPlan): object {
  return plan.arch === "aarch64" ? armPlanToJson(plan) : planToJson(plan);
}
