/** From profiles to plans: one pool, or several. */
import { groupBy } from "../group.ts";
import { fail } from "../errors.ts";
import { compareLines } from "../tables/releases.ts";
import { compareText } from "../format/text.ts";
import { groupIntoClasses, type NodeClass } from "../profile/class.ts";
import { missingOf } from "../profile/complete.ts";
import type { NodeProfile } from "../profile/profile.ts";
import { cpuTypeOf, vendorString } from "../tables/vendors.ts";
import {
  DEFAULT_OPTIONS,
  planClasses,
  refused,
  type PlanOptions,
  type PlanResult,
} from "./plan.ts";
import {
  refuseDuplicateNames,
  refuseIncomplete,
  refuseMixtures,
  refuseUnenforced,
  refusal,
  someOf,
  type Refusal,
} from "./refuse.ts";
import { withoutClasses } from "./shape.ts";
import { STEPS } from "./steps.ts";
import { splitClasses, type Join, type SplitOptions } from "./split.ts";

type Classes =
  | { readonly ok: true; readonly classes: readonly NodeClass[] }
  | { readonly ok: false; readonly refusals: readonly Refusal[] };

function classesOf(profiles: readonly NodeProfile[], without: readonly string[] = []): Classes {
  const [type] = profiles.map(({ cpu }) => cpuTypeOf(cpu));
  if (type === undefined) return fail("EMPTY_POOL", "no profile to plan");
  const { obstacles } = STEPS[type];
  const refusals = [
    ...refuseUnenforced(profiles),
    ...refuseIncomplete(profiles, (profile) => [
      ...missingOf(profile, type),
      ...obstacles(profile),
    ]),
  ];
  if (refusals.length > 0) return { ok: false, refusals };
  return { ok: true, classes: withoutClasses(groupIntoClasses(profiles, type), without) };
}

/**
 * Plans a pool of nodes of either architecture. Throws on input that is no pool at all (empty, names
 * twice); refuses, with reasons, pools that cannot be made one. The result does not depend on the
 * order of `profiles`.
 */
export function planPool(
  profiles: readonly NodeProfile[],
  options: PlanOptions = DEFAULT_OPTIONS,
): PlanResult {
  if (profiles.length === 0) return fail("EMPTY_POOL", "no profile to plan");
  refuseDuplicateNames(profiles);
  const mixture = refuseMixtures(profiles);
  if (mixture !== undefined) return refused(mixture);
  const found = classesOf(profiles, options.without);
  return found.ok ? planClasses(found.classes, options) : found;
}

export interface PlannedPools {
  readonly pools: readonly PlanResult[];
  readonly tree: readonly Join[];
}

/** Plans several pools: the classes are split so that joining costs least. */
export function planPools(
  profiles: readonly NodeProfile[],
  options: PlanOptions,
  split: SplitOptions,
): PlannedPools | (PlanResult & { readonly ok: false }) {
  if (profiles.length === 0) return fail("EMPTY_POOL", "no profile to plan");
  refuseDuplicateNames(profiles);
  const found = splittableClasses(profiles);
  if (!found.ok) return found;
  const kept = withoutClasses(found.classes, options.without ?? []);
  const { pools, tree } = splitClasses(kept, newestOf(options), split);
  return { pools: pools.map((pool) => planClasses(pool, options)), tree };
}

function newestOf({ firecracker }: PlanOptions): string {
  return firecracker.toSorted(compareLines).at(-1) ?? "";
}

/** Vendors are kept apart; nodes that cannot be planned at all are refused. */
function splittableClasses(profiles: readonly NodeProfile[]): Classes {
  const whole = profiles.filter(({ cpu }) => cpuTypeOf(cpu) === "aarch64");
  if (whole.length > 0) return { ok: false, refusals: [refuseSplitting(whole)] };
  const classes: NodeClass[] = [];
  for (const own of byVendor(profiles)) {
    const mixture = refuseMixtures(own);
    if (mixture !== undefined) return { ok: false, refusals: [mixture] };
    const found = classesOf(own);
    if (!found.ok) return found;
    classes.push(...found.classes);
  }
  return { ok: true, classes };
}

export interface MergeTree {
  /** Ids. */
  readonly classes: readonly string[];
  /** Every joint that is possible, the cheapest first; all are `joined`. */
  readonly tree: readonly Join[];
}

/** What joining the classes of these nodes costs, without a plan for any. */
export function mergeTree(
  profiles: readonly NodeProfile[],
  options: PlanOptions = DEFAULT_OPTIONS,
): MergeTree | (PlanResult & { readonly ok: false }) {
  const found = splittableClasses(profiles);
  if (!found.ok) return found;
  const { tree } = splitClasses(found.classes, newestOf(options), { pools: 1 });
  return { classes: found.classes.map(({ id }) => id), tree };
}

/** The cost of a join is counted in features that are present or absent, as on x86. */
function refuseSplitting(profiles: readonly NodeProfile[]): Refusal {
  const nodes = profiles.map(({ name }) => name);
  const message = `aarch64 nodes cannot be split into pools (${someOf(nodes)})`;
  return refusal("unsupported", message, "Plan them without --split and --max-loss.", nodes);
}

function byVendor(profiles: readonly NodeProfile[]): NodeProfile[][] {
  const groups = groupBy(profiles, ({ cpu }) => {
    const leaf0 = cpu.cpuid.find(({ leaf }) => leaf === 0);
    return leaf0 === undefined ? cpu.arch : vendorString(leaf0);
  });
  return [...groups].toSorted(([a], [b]) => compareText(b, a)).map(([, own]) => own);
}
