/** Drift: what a change of kernel, microcode or firmware means for a node's guests and its plan. */
import { predictContract } from "../contract/make.ts";
import { ALL_LINES, newestVersion } from "../tables/releases.ts";
import { listOf } from "../format/text.ts";
import { templateDoubt } from "../profile/kvm-facts.ts";
import type { NodeProfile } from "../profile/profile.ts";
import { finding, type Finding, type Verdict } from "../verdict/finding.ts";
import { judge } from "../verdict/judge.ts";
import { changesOf, type Changes } from "./change.ts";
import { plannedDrift, type PlannedDrift, type PlannedNode } from "./planned.ts";

/**
 * - `none`: nothing that guests see changed
 * - `template-holds`: the node changed, its template still yields the plan's guest CPU
 * - `new-template`: the plan holds, with the new template; the one in use lets something through,
 *   or no microVM starts with it
 * - `plan-broken`: no template yields the plan's guest CPU there any more
 * - `changed`: without a plan: guests see another CPU
 * - `unknown`: the two profiles do not allow to say
 */
export type DriftOutcome =
  | "none"
  | "template-holds"
  | "new-template"
  | "plan-broken"
  | "changed"
  | "unknown";

export interface Drift {
  readonly node: string;
  readonly outcome: DriftOutcome;
  readonly matters: boolean;
  /** Why nothing can be said; empty but for `unknown`. */
  readonly reasons: readonly string[];
  readonly changes: Changes;
  /** May snapshots that were taken here before the change resume here now? */
  readonly snapshots: { readonly verdict: Verdict; readonly findings: readonly Finding[] };
  readonly plan: PlannedDrift | undefined;
}

const NO_CHANGES: Changes = { seen: [], ignored: [], facts: [] };

function judgeSnapshots(
  baseline: NodeProfile,
  now: NodeProfile,
  planned: PlannedNode | undefined,
): Drift["snapshots"] {
  const firecracker = newestVersion(baseline.firecracker);
  const shape = planned === undefined ? {} : { template: planned.template };
  const boot = { vcpus: 1, smt: false, ...shape };
  const version = firecracker ?? ALL_LINES.at(-1) ?? "";
  const result = predictContract(baseline, { firecracker: version, ...boot });
  if (!result.ok) {
    const text = `The baseline cannot boot with this template: it lacks ${listOf(result.missing)}.`;
    return { verdict: "unknown", findings: [finding("complete", "unknown", "template", {}, text)] };
  }
  // Where one of the two does not name its Firecracker versions, they are no drift.
  const same = firecracker === undefined || now.firecracker.length === 0;
  return judge(result.contract, now, same ? version : undefined);
}

function reasonsAgainst(which: string, profile: NodeProfile): string[] {
  const doubt = templateDoubt(profile);
  return [
    ...(doubt === undefined ? [] : [`${which}: ${doubt}`]),
    ...(profile.estimate ? [`${which} is an estimate, not a measurement`] : []),
    ...profile.incomplete.map((what) => `${which} is incomplete: ${what}`),
  ];
}

function outcomeOf(
  changes: Changes,
  { verdict }: Drift["snapshots"],
  plan: PlannedDrift | undefined,
): DriftOutcome {
  if (plan !== undefined) {
    if (plan.template === undefined) return "plan-broken";
    const yields = plan.leaks.length + plan.lost.length + plan.fatal.length === 0;
    if (!yields) return "new-template";
    if (changes.seen.length > 0) return "template-holds";
  }
  return changes.seen.length === 0 && verdict === "compatible" ? "none" : "changed";
}

/** What happened to a node between two profiles of it. `planned`: the plan that it is part of. */
export function driftOf(baseline: NodeProfile, now: NodeProfile, planned?: PlannedNode): Drift {
  const line = planned?.plan.firecracker.at(-1) ?? ALL_LINES.at(-1) ?? "";
  const found = changesOf(baseline, now, line);
  const changes = found ?? NO_CHANGES;
  const snapshots = judgeSnapshots(baseline, now, planned);
  const reasons = [
    ...(found === undefined ? ["the two profiles differ in architecture or vendor"] : []),
    ...reasonsAgainst("the baseline", baseline),
    ...reasonsAgainst("the current profile", now),
  ];
  if (reasons.length > 0) {
    const nothing = { plan: undefined, outcome: "unknown", matters: true } as const;
    return { node: now.name, ...nothing, reasons, changes, snapshots };
  }
  const plan = planned === undefined ? undefined : plannedDrift(now, planned);
  const outcome = outcomeOf(changes, snapshots, plan);
  const quiet = outcome === "none" || outcome === "template-holds";
  const sure = snapshots.verdict === "compatible" && (plan?.unproven ?? []).length === 0;
  const matters = !quiet || !sure;
  return { node: now.name, outcome, matters, reasons, changes, snapshots, plan };
}
