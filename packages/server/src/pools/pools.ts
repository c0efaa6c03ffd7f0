/** Pools: nodes by their labels, whose snapshots are to be interchangeable. */
import { eq } from "drizzle-orm";
import type { PoolView } from "@evenkeel/api";
import { record } from "../audit.ts";
import type { Actor } from "../context.ts";
import { ServerError } from "../errors.ts";
import { admitPool } from "../nodes/membership.ts";
import { matches, type Labels } from "../placement/fleet.ts";
import { takeLock } from "../store/locks.ts";
import { nodes, planVersions, pools, rollouts } from "../store/schema.ts";
import type { Queryable } from "../store/store.ts";

type PoolRow = typeof pools.$inferSelect;

/** Throws NO_SUCH_POOL. */
export async function requirePool(tx: Queryable, name: string): Promise<PoolRow> {
  const [row] = await tx.select().from(pools).where(eq(pools.name, name));
  if (row === undefined) throw new ServerError("NO_SUCH_POOL", `there is no pool "${name}"`);
  return row;
}

function rolloutOf(row: typeof rollouts.$inferSelect | undefined): PoolView["rollout"] {
  if (row === undefined) return null;
  const { version, stage, state, why, started } = row;
  return { version, stage, state, why, started: started.toISOString() };
}

async function viewsOf(tx: Queryable, rows: readonly PoolRow[]): Promise<PoolView[]> {
  const members = await tx
    .select({
      name: nodes.name,
      labels: nodes.labels,
      pool: nodes.planPool,
      version: nodes.planVersion,
    })
    .from(nodes)
    .orderBy(nodes.name);
  const rolled = new Map((await tx.select().from(rollouts)).map((row) => [row.pool, row]));
  return rows.map(({ name, selector, strategy, unplanned, running, created }) => {
    const own = members.filter(({ labels }) => matches(selector, labels));
    const applied = own.filter(({ pool, version }) => pool === name && version === running);
    return {
      name,
      selector,
      strategy,
      unplanned,
      nodes: own.map((node) => node.name),
      running,
      applied: running === null ? 0 : applied.length,
      rollout: rolloutOf(rolled.get(name)),
      created: created.toISOString(),
    };
  });
}

export async function listPools(tx: Queryable): Promise<PoolView[]> {
  return await viewsOf(tx, await tx.select().from(pools).orderBy(pools.name));
}

/** Throws NO_SUCH_POOL. */
export async function getPool(tx: Queryable, name: string): Promise<PoolView> {
  const [view] = await viewsOf(tx, [await requirePool(tx, name)]);
  if (view === undefined) throw new Error("one row makes one view");
  return view;
}

interface PoolRequest {
  readonly name: string;
  readonly selector: Labels;
  readonly strategy: "spread" | "pack";
  readonly unplanned: "refuse" | "allow";
}

/** Throws NAME_TAKEN, POOLS_OVERLAP. */
export async function createPool(tx: Queryable, actor: Actor, request: PoolRequest) {
  const { name, selector, strategy, unplanned } = request;
  await takeLock(tx, "pools");
  const [taken] = await tx.select().from(pools).where(eq(pools.name, name));
  if (taken !== undefined) throw new ServerError("NAME_TAKEN", `there is a pool "${name}"`);
  const row = { name, selector, strategy, unplanned, running: null };
  await admitPool(tx, row);
  await tx.insert(pools).values({ ...row, created: new Date() });
  await record(tx, actor, {
    action: "pool.created",
    subject: name,
    data: { selector, strategy, unplanned },
  });
  return await getPool(tx, name);
}

/** Throws NO_SUCH_POOL. Its plans go with it. */
export async function deletePool(tx: Queryable, actor: Actor, name: string): Promise<void> {
  await takeLock(tx, "pools");
  const { running } = await requirePool(tx, name);
  await tx.delete(planVersions).where(eq(planVersions.pool, name));
  await tx.delete(pools).where(eq(pools.name, name));
  await record(tx, actor, { action: "pool.deleted", subject: name, data: { running } });
}
