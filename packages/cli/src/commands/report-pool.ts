/** Everything that follows from profiles: verdicts without a plan, the plan, and verdicts with it. */
import {
  ALL_LINES,
  cpuModel,
  cpuTypeOf,
  judgeMatrix,
  matrixEntries,
  parseIdentity,
  planPool,
  planPools,
  planToJson,
  withSameClocks,
  type Join,
  type MatrixEntry,
  type NodeProfile,
  type Plan,
  type PlanResult,
  type Refusal,
} from "@evenkeel/core";
import { openTemplate, type TemplateSource } from "@evenkeel/host/cpu-template";
import { matrixView, PlanDocument, type MatrixView, type PoolPart } from "@evenkeel/web";
import { requireContract, type BootFlags } from "../input/contracts.ts";
import { openFlags } from "../input/template.ts";
import { outputFiles } from "./plan.ts";

const OPTIONS = { identity: parseIdentity("oldest"), firecracker: ALL_LINES };

function modelOf({ profile: { cpu } }: MatrixEntry): string | undefined {
  const type = cpuTypeOf(cpu);
  return type === undefined ? undefined : cpuModel(cpu, type).name;
}

/** A plan in memory, opened as if it were in a directory, so that both give the same answer. */
function sourceOf(plan: Plan): TemplateSource {
  const files = new Map(outputFiles(plan).map(({ path, text }) => [`plan/${path}`, text]));
  return openTemplate({ kind: "plan", path: "plan" }, (path) => files.get(path));
}

function judged(
  profiles: readonly NodeProfile[],
  sourceFor: (profile: NodeProfile) => TemplateSource,
  flags: BootFlags,
): MatrixView {
  const entries = matrixEntries(profiles, (profile) =>
    requireContract(profile, sourceFor(profile), flags),
  );
  return matrixView(entries, judgeMatrix(entries, flags.firecracker), modelOf);
}

interface Planned {
  readonly plans: readonly Plan[];
  readonly refusals: readonly Refusal[];
  readonly tree: readonly Join[];
}

function sorted(results: readonly PlanResult[], tree: readonly Join[]): Planned {
  return {
    plans: results.flatMap((result) => (result.ok ? [result.plan] : [])),
    refusals: results.flatMap((result) => (result.ok ? [] : result.refusals)),
    tree,
  };
}

/** One pool if possible, else as few as possible; and what each merge costs. */
function planned(profiles: readonly NodeProfile[]): Planned {
  const one = planPool(profiles, OPTIONS);
  if (profiles.some(({ cpu }) => cpu.arch === "aarch64")) return sorted([one], []);
  const several = planPools(profiles, OPTIONS, { pools: 1 });
  if ("ok" in several) return sorted([several], []);
  return sorted(one.ok ? [one] : several.pools, several.tree);
}

/** `flags.firecracker`: the version that guests are booted and resumed with. */
export function poolPart(given: readonly NodeProfile[], flags: BootFlags): PoolPart {
  const profiles = withSameClocks(given);
  const none = openFlags({});
  const { plans, refusals, tree } = planned(profiles);
  const byNode = new Map(
    plans.flatMap((plan) => {
      const source = sourceOf(plan);
      return plan.classes.flatMap(({ nodeClass }) => nodeClass.nodes.map((name) => [name, source]));
    }) as readonly (readonly [string, TemplateSource])[],
  );
  const all = profiles.every(({ name }) => byNode.has(name));
  return {
    kind: "pool",
    before: judged(profiles, () => none, flags),
    after: all ? judged(profiles, ({ name }) => byNode.get(name) ?? none, flags) : undefined,
    plans: plans.map((plan) => PlanDocument.parse(JSON.parse(JSON.stringify(planToJson(plan))))),
    tree,
    refusals,
  };
}
