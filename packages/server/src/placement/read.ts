/** What the picture of the fleet is read from. */
import { and, eq, gt, sql } from "drizzle-orm";
import { alias } from "drizzle-orm/pg-core";
import { rulesVersion } from "@evenkeel/core";
import type { Times } from "../context.ts";
import { SILENT, stateAfter } from "../nodes/view.ts";
import {
  contracts,
  heldSnapshots,
  nodes,
  planVersions,
  pools,
  rollouts,
  variants,
  verdicts,
} from "../store/schema.ts";
import type { Queryable } from "../store/store.ts";
import type { FleetNode } from "./fleet.ts";
import { asFleetNode, type LivePool } from "./live-nodes.ts";
import type { GrowingIndex } from "./verdict-index.ts";

/** Before all transactions. */
export const BEGINNING = "0";

/** Where the next reading begins: transactions before it are seen whole. */
export async function readHorizon(tx: Queryable) {
  const { rows } = await tx.execute<{ horizon: string; nodes: number }>(sql`
    select pg_snapshot_xmin(pg_current_snapshot())::text as horizon,
      (select count(*)::int from nodes) as nodes`);
  return rows[0] ?? { horizon: BEGINNING, nodes: 0 };
}

export async function readPools(tx: Queryable): Promise<LivePool[]> {
  const rolling = alias(planVersions, "rolling");
  const rows = await tx
    .select({
      name: pools.name,
      selector: pools.selector,
      strategy: pools.strategy,
      unplanned: pools.unplanned,
      running: pools.running,
      digest: planVersions.digest,
      rollout: rollouts,
      rolls: rolling.digest,
    })
    .from(pools)
    .leftJoin(
      planVersions,
      and(eq(planVersions.pool, pools.name), eq(planVersions.version, pools.running)),
    )
    .leftJoin(rollouts, eq(rollouts.pool, pools.name))
    .leftJoin(rolling, and(eq(rolling.pool, rollouts.pool), eq(rolling.version, rollouts.version)))
    .orderBy(pools.name);
  return rows.map(({ rollout, rolls, ...pool }) => ({
    ...pool,
    rollout: rollout && { ...rollout, digest: rolls },
  }));
}

/** Nodes that changed since a horizon. */
export async function readNodes(tx: Queryable, horizon: string) {
  return await tx
    .select({
      id: nodes.id,
      name: nodes.name,
      variant: nodes.variant,
      class: variants.class,
      labels: nodes.labels,
      held: nodes.held,
      pendingProfile: nodes.pendingProfile,
      cordoned: nodes.cordoned,
      capacity: nodes.capacity,
      profile: nodes.profile,
      snapshots: nodes.snapshots,
      planPool: nodes.planPool,
      planVersion: nodes.planVersion,
      planDigest: nodes.planDigest,
      planError: nodes.planError,
      planRefused: nodes.planRefused,
      silent: SILENT,
    })
    .from(nodes)
    .innerJoin(variants, eq(variants.id, nodes.variant))
    .where(sql`${nodes.touched} >= ${horizon}::xid8`);
}

/** All nodes as the store has them, in whatever pool: for what must see what others have just done. */
export async function readFleetNodes(tx: Queryable, times: Times): Promise<FleetNode[]> {
  const rows = await readNodes(tx, BEGINNING);
  return rows.map(({ silent, ...row }) => {
    const state = stateAfter(silent, times);
    const { capacity } = row;
    return asFleetNode({ row, capacity, heardAt: -Infinity, pool: undefined, state });
  });
}

export async function readNodeIds(tx: Queryable): Promise<Set<string>> {
  return new Set((await tx.select({ id: nodes.id }).from(nodes)).map(({ id }) => id));
}

/** What nodes hold; of all nodes where none are named. */
export async function readHeld(tx: Queryable, of: readonly string[] | undefined) {
  return await tx
    .select({
      node: heldSnapshots.node,
      digest: heldSnapshots.digest,
      contract: heldSnapshots.contract,
      memoryMib: heldSnapshots.memoryMib,
    })
    .from(heldSnapshots)
    .where(
      of === undefined
        ? undefined
        : sql`${heldSnapshots.node} in (
            select json_array_elements_text(${JSON.stringify(of)}::json))`,
    );
}

/**
 * Reads the verdicts that were added since a revision, by the rules of this build: what a server
 * of another build has judged says nothing here. Returns the revision that was read.
 */
export async function followVerdicts(
  tx: Queryable,
  index: GrowingIndex,
  from: number,
): Promise<number> {
  const rows = await tx
    .select({
      contract: verdicts.contract,
      variant: verdicts.variant,
      verdict: verdicts.verdict,
      underPlan: verdicts.underPlan,
      plan: contracts.plan,
      rules: verdicts.rules,
      revision: verdicts.revision,
    })
    .from(verdicts)
    .innerJoin(contracts, eq(contracts.digest, verdicts.contract))
    .where(gt(verdicts.revision, from));
  const own = rulesVersion();
  index.set(rows.filter(({ rules }) => rules === own));
  return rows.reduce((last, { revision }) => Math.max(last, revision), from);
}
