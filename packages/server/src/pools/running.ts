/** The plan that runs in a pool. */
import { and, eq } from "drizzle-orm";
import type { HeartbeatAnswer, PlanFiles } from "@evenkeel/api";
import {
  findPlannedClass,
  parseTemplate,
  readDocument,
  type NodeProfile,
  type PlannedNode,
} from "@evenkeel/core";
import { allPools, poolOf, type PoolRow } from "../nodes/membership.ts";
import { planVersions, rollouts } from "../store/schema.ts";
import type { Queryable } from "../store/store.ts";
import type { Labels } from "../placement/fleet.ts";
import { isReleased, type Wave } from "./waves.ts";

type VersionRow = typeof planVersions.$inferSelect;
/** What decides which version a node is told. */
interface PoolPlan {
  readonly running: number | null;
  readonly rollout: (Wave & { readonly version: number }) | null;
}

type Wanted = Pick<HeartbeatAnswer, "pool" | "plan">;

/** Which version a node of a pool is told; null: none. */
export function versionFor(pool: PoolPlan, id: string): number | null {
  const { running, rollout } = pool;
  return rollout !== null && isReleased(rollout, id) ? rollout.version : running;
}

async function rolloutOf(tx: Queryable, pool: string): Promise<PoolPlan["rollout"]> {
  const [row] = await tx.select().from(rollouts).where(eq(rollouts.pool, pool));
  return row ?? null;
}

async function versionAt(
  tx: Queryable,
  pool: string,
  version: number | null,
): Promise<VersionRow | undefined> {
  if (version === null) return undefined;
  const [row] = await tx
    .select()
    .from(planVersions)
    .where(and(eq(planVersions.pool, pool), eq(planVersions.version, version)));
  return row;
}

/** The version that runs where a node with these labels is. */
export async function runningVersion(
  tx: Queryable,
  labels: Labels,
): Promise<VersionRow | undefined> {
  const pool = poolOf(labels, await allPools(tx));
  return pool === undefined ? undefined : await versionAt(tx, pool.name, pool.running);
}

/** The version that a node is told. */
export async function wantedVersion(
  tx: Queryable,
  { id, labels }: { readonly id: string; readonly labels: Labels },
): Promise<{ readonly pool: PoolRow | undefined; readonly row: VersionRow | undefined }> {
  const pool = poolOf(labels, await allPools(tx));
  if (pool === undefined) return { pool, row: undefined };
  const { name, running } = pool;
  const rollout = await rolloutOf(tx, name);
  return { pool, row: await versionAt(tx, name, versionFor({ running, rollout }, id)) };
}

/** As a heartbeat is answered: without the plan itself. */
export async function wantedPlan(
  tx: Queryable,
  node: { readonly id: string; readonly labels: Labels },
): Promise<Wanted> {
  const { pool, row } = await wantedVersion(tx, node);
  if (pool === undefined) return { pool: null, plan: null };
  const { name, unplanned } = pool;
  const plan = row === undefined ? null : { pool: name, version: row.version, digest: row.digest };
  return { pool: { name, unplanned }, plan };
}

export function filesOf({ pool, version, digest, plan, templates }: VersionRow): PlanFiles {
  return {
    pool,
    version,
    digest,
    plan: JSON.parse(plan) as Record<string, unknown>,
    templates: JSON.parse(templates) as Record<string, string>,
  };
}

/** What a plan has for a node like this; undefined where it has nothing. */
export function plannedNode(row: VersionRow, profile: NodeProfile): PlannedNode | undefined {
  const { plan: json, templates } = filesOf(row);
  const document = readDocument(json, "");
  if (document.kind !== "plan") return undefined;
  const { plan } = document;
  const match = findPlannedClass(plan, profile);
  if (match.kind !== "found") return undefined;
  const { id, template } = match.planned;
  const text = templates[template];
  if (text === undefined) return undefined;
  return { plan, class: id, template: parseTemplate(JSON.parse(text)) };
}
