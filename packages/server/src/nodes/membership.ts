/** Which pool a node is in: one at most, since a node has one guest CPU. */
import type { Labels } from "../placement/fleet.ts";
import { matches } from "../placement/fleet.ts";
import { ServerError } from "../errors.ts";
import { takeLock } from "../store/locks.ts";
import { nodes, pools } from "../store/schema.ts";
import type { Queryable } from "../store/store.ts";

export interface PoolRow {
  readonly name: string;
  readonly selector: Labels;
  readonly strategy: "spread" | "pack";
  readonly running: number | null;
  readonly unplanned: "refuse" | "allow";
}

export function poolOf<P extends Pick<PoolRow, "selector">>(
  labels: Labels,
  all: readonly P[],
): P | undefined {
  return all.find(({ selector }) => matches(selector, labels));
}

/** Throws POOLS_OVERLAP. The lock of pools must be held. */
function requireOnePool(name: string, labels: Labels, all: readonly PoolRow[]): void {
  const fitting = all.filter(({ selector }) => matches(selector, labels));
  if (fitting.length < 2) return;
  const names = fitting.map((pool) => pool.name).join(" and ");
  throw new ServerError("POOLS_OVERLAP", `${name} would be in ${names}`);
}

export async function allPools(tx: Queryable): Promise<PoolRow[]> {
  return await tx.select().from(pools).orderBy(pools.name);
}

/** Before a node gets labels: throws POOLS_OVERLAP. Keeps pools as they are until the end. */
export async function admitLabels(tx: Queryable, name: string, labels: Labels): Promise<void> {
  await takeLock(tx, "pools");
  requireOnePool(name, labels, await allPools(tx));
}

/** Before a pool is made: throws POOLS_OVERLAP. */
export async function admitPool(tx: Queryable, pool: PoolRow): Promise<void> {
  await takeLock(tx, "pools");
  const all = [...(await allPools(tx)), pool];
  const rows = await tx.select({ name: nodes.name, labels: nodes.labels }).from(nodes);
  for (const { name, labels } of rows) requireOnePool(name, labels, all);
}
