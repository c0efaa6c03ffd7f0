/** `POST /v1/simulations`: what a change would strand, and what it would do to a pool's plan. */
import type { Simulation, SimulationRequest } from "@evenkeel/api";
import {
  afterChanges,
  knownLine,
  planAgain,
  readDocument,
  replacePlan,
  requireCatalogueProfile,
  type ChangeOutcome,
  type ContractOutcome,
  type FleetChange,
  type NodeProfile,
  type PlanChange,
  type PlanFile,
} from "@evenkeel/core";
import type { Context } from "../context.ts";
import { readProfileJson } from "../documents.ts";
import { ServerError } from "../errors.ts";
import { matches, type Fleet } from "../placement/fleet.ts";
import { getPlan } from "../pools/plans.ts";
import { requirePool } from "../pools/pools.ts";
import type { Queryable } from "../store/store.ts";
import { loadFleet, type LoadedFleet } from "./fleet.ts";
import { outcomeOf } from "./outcome.ts";

/** Of a model that is bought, nobody knows the releases yet: those that the whole fleet has. */
function sharedReleases({ nodes }: LoadedFleet): string[] {
  const [first, ...rest] = nodes.map(({ profile }) => profile.firecracker);
  return (first ?? []).filter((version) => rest.every((versions) => versions.includes(version)));
}

function changesOf(request: SimulationRequest, fleet: LoadedFleet): FleetChange[] {
  const { firecracker: versions, replace, remove, add, with: models } = request;
  for (const version of versions ?? []) knownLine(version);
  const firecracker = versions ?? sharedReleases(fleet);
  const added = [
    ...add.map(({ profile }) => ({ profile: readProfileJson(profile).profile })),
    ...[...new Set(models)].map((model) => ({
      profile: { ...requireCatalogueProfile(model), firecracker },
    })),
  ];
  return [
    ...(versions === undefined ? [] : [{ kind: "firecracker", versions } as const]),
    ...replace.map(({ node, profile }): FleetChange => {
      const read = readProfileJson(profile).profile;
      return { kind: "replace", nodes: node, profile: read };
    }),
    ...(remove.length === 0 ? [] : [{ kind: "remove", nodes: remove } as const]),
    ...(added.length === 0 ? [] : [{ kind: "add", nodes: added } as const]),
  ];
}

async function planOf(tx: Queryable, pool: string, version: number): Promise<PlanFile> {
  const { plan } = await getPlan(tx, pool, version);
  const document = readDocument(plan, "");
  if (document.kind === "plan") return document.plan;
  throw new ServerError("SERVER_DEFECT", `the store has a ${document.kind} for a plan`);
}

/** Nodes of the pool afterwards; what is added is taken for its own. */
function membersOf(
  { nodes, labels }: LoadedFleet,
  changes: readonly FleetChange[],
  selector: Readonly<Record<string, string>>,
): NodeProfile[] {
  return afterChanges(nodes, changes)
    .map(({ profile }) => profile)
    .filter(({ name }) => {
      const own = labels.get(name);
      return own === undefined || matches(selector, own);
    });
}

/** Throws NO_SUCH_POOL, NO_SUCH_PLAN. */
async function planChange(
  tx: Queryable,
  { pool, planVersion }: SimulationRequest,
  fleet: LoadedFleet,
  changes: readonly FleetChange[],
): Promise<PlanChange | null> {
  if (pool === undefined) return null;
  const { selector, running } = await requirePool(tx, pool);
  if (running === null) throw new ServerError("NO_SUCH_PLAN", `no plan runs in pool ${pool}`);
  const members = membersOf(fleet, changes, selector);
  const plan = await planOf(tx, pool, running);
  if (planVersion === undefined) return planAgain(plan, members);
  return replacePlan(plan, await planOf(tx, pool, planVersion), members);
}

function isSafe({ fate, classes }: ContractOutcome): boolean {
  return fate === "kept" && classes.length > 1;
}

function viewOf(outcome: ChangeOutcome, plan: PlanChange | null, fleet: LoadedFleet): Simulation {
  const named = (digests: readonly string[]) =>
    digests.map((digest) => ({ digest, name: fleet.names.get(digest) ?? digest }));
  const copied = <T>(list: readonly T[]): T[] => [...list];
  const { stranded, unknown, filesLost, waiting, alreadyStranded, regained } = outcome;
  return {
    nodesBefore: outcome.nodesBefore,
    nodesAfter: outcome.nodesAfter,
    count: outcome.count,
    stranded: named(stranded),
    unknown: named(unknown),
    filesLost: named(filesLost),
    waiting: named(waiting),
    alreadyStranded: named(alreadyStranded),
    regained: named(regained),
    kept: outcome.contracts.filter(isSafe).length,
    contracts: outcome.contracts
      .filter((one) => !isSafe(one))
      .map((one) => ({
        ...one,
        snapshots: named(one.snapshots),
        classes: copied(one.classes),
        lastClass: one.lastClass ?? null,
        obstacles: copied(one.obstacles),
      })),
    plan:
      plan === null
        ? null
        : {
            gained: copied(plan.gained),
            lost: copied(plan.lost),
            classesAdded: copied(plan.classesAdded),
            classesRemoved: copied(plan.classesRemoved),
            firecrackerAdded: copied(plan.firecrackerAdded),
            firecrackerRemoved: copied(plan.firecrackerRemoved),
            unplanned: copied(plan.unplanned),
            refusals: plan.refusals.map(({ code, message, hint }) => ({ code, message, hint })),
          },
  };
}

/** Changes nothing. Throws BAD_REQUEST, NO_SUCH_POOL, NO_SUCH_PLAN, UNKNOWN_NODE. */
export async function simulate(context: Context, request: SimulationRequest): Promise<Simulation> {
  const { db } = context.store;
  const { index } = await context.picture.now();
  const fleet = await loadFleet(context, db, index);
  const changes = changesOf(request, fleet);
  const plan = await planChange(db, request, fleet, changes);
  return viewOf(await outcomeOf(fleet, changes), plan, fleet);
}

/**
 * What it takes to lose a node: throws WOULD_STRAND unless the right number is named. `index`: of
 * the picture as it was before the transaction.
 */
export async function requireStranded(
  context: Context,
  tx: Queryable,
  index: Fleet["index"],
  { node, strand }: { readonly node: string; readonly strand: number },
): Promise<void> {
  const fleet = await loadFleet(context, tx, index);
  if (!fleet.labels.has(node)) return;
  const { count, stranded, filesLost } = await outcomeOf(fleet, [
    { kind: "remove", nodes: [node] },
  ]);
  if (count === strand) return;
  const why = [
    ...(stranded.length > 0 ? [`${stranded.length} that no other open node can resume`] : []),
    ...(filesLost.length > 0 ? [`${filesLost.length} whose only files are there`] : []),
  ].join(", ");
  const named = [...new Set([...stranded, ...filesLost])]
    .slice(0, 50)
    .map((digest) => ({ path: fleet.names.get(digest) ?? digest, message: digest }));
  const message =
    `without ${node}, ${count} snapshots would be stranded` +
    `${why === "" ? "" : `: ${why}`}; strand is ${strand}`;
  throw new ServerError("WOULD_STRAND", message, { problems: named });
}
