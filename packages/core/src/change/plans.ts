/** What a change of the nodes, or of the plan, does to a pool's guest CPU. */
import { compareText } from "../format/text.ts";
import { findPlannedClass, type PlanFile } from "../plan/find-class.ts";
import { DEFAULT_OPTIONS, type PlanOptions } from "../plan/plan.ts";
import { planPool } from "../plan/pools.ts";
import type { Refusal } from "../plan/refuse.ts";
import type { NodeProfile } from "../profile/profile.ts";

/** What is compared of a plan. */
interface PlanSummary {
  readonly features: readonly string[];
  readonly classes: readonly string[];
  readonly firecracker: readonly string[];
}

export interface PlanChange {
  /** Features that guests see only under the later plan. */
  readonly gained: readonly string[];
  /** Features that guests see only under the earlier plan. */
  readonly lost: readonly string[];
  readonly classesAdded: readonly string[];
  readonly classesRemoved: readonly string[];
  readonly firecrackerAdded: readonly string[];
  readonly firecrackerRemoved: readonly string[];
  /** Nodes after the change that the later plan has no template for. */
  readonly unplanned: readonly string[];
  /** Why the nodes after the change cannot be planned; the lists are empty then. */
  readonly refusals: readonly Refusal[];
}

function summaryOf({ guest, classes, firecracker }: PlanFile): PlanSummary {
  return { features: guest.features, classes: classes.map(({ id }) => id), firecracker };
}

/** Members of `b` that `a` lacks. */
function added(a: readonly string[], b: readonly string[]): string[] {
  const known = new Set(a);
  return [...new Set(b)].filter((item) => !known.has(item)).toSorted(compareText);
}

function comparePlans(
  before: PlanSummary,
  after: PlanSummary,
): Omit<PlanChange, "unplanned" | "refusals"> {
  return {
    gained: added(before.features, after.features),
    lost: added(after.features, before.features),
    classesAdded: added(before.classes, after.classes),
    classesRemoved: added(after.classes, before.classes),
    firecrackerAdded: added(before.firecracker, after.firecracker),
    firecrackerRemoved: added(after.firecracker, before.firecracker),
  };
}

function unplannedBy(plan: PlanFile, nodes: readonly NodeProfile[]): string[] {
  return nodes
    .filter((profile) => findPlannedClass(plan, profile).kind !== "found")
    .map(({ name }) => name)
    .toSorted(compareText);
}

const SAME: PlanSummary = { features: [], classes: [], firecracker: [] };

/** Another version of the plan for the nodes that there are afterwards. */
export function replacePlan(
  before: PlanFile,
  after: PlanFile,
  nodes: readonly NodeProfile[],
): PlanChange {
  return {
    ...comparePlans(summaryOf(before), summaryOf(after)),
    unplanned: unplannedBy(after, nodes),
    refusals: [],
  };
}

/**
 * The plan that the nodes would get anew, compared with the one that runs. `unplanned`: nodes that
 * the running one has no template for. `options`: as for `planPool`; the releases are the running
 * plan's where left out.
 */
export function planAgain(
  running: PlanFile,
  nodes: readonly NodeProfile[],
  options: Partial<PlanOptions> = {},
): PlanChange {
  const unplanned = unplannedBy(running, nodes);
  const none = { ...comparePlans(SAME, SAME), unplanned };
  if (nodes.length === 0) return { ...none, refusals: [] };
  const { firecracker } = running;
  const result = planPool(nodes, { ...DEFAULT_OPTIONS, firecracker, ...options });
  if (!result.ok) return { ...none, refusals: result.refusals };
  const { guest, classes, firecracker: lines } = result.plan;
  const summary = {
    features: guest.features,
    classes: classes.map(({ nodeClass }) => nodeClass.id),
    firecracker: lines,
  };
  return { ...comparePlans(summaryOf(running), summary), unplanned, refusals: [] };
}
