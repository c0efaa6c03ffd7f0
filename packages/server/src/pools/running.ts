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
import { allPools, poolOf } from "../nodes/membership.ts";
import { planVersions } from "../store/schema.ts";
import type { Queryable } from "../store/store.ts";
import type { Labels } from "../placement/fleet.ts";

type VersionRow = typeof planVersions.$inferSelect;
type Wanted = Pick<HeartbeatAnswer, "pool" | "plan">;

export async function runningVersion(
  tx: Queryable,
  labels: Labels,
): Promise<VersionRow | undefined> {
  const pool = poolOf(labels, await allPools(tx));
  if (pool === undefined || pool.running === null) return undefined;
  const { name, running } = pool;
  const [row] = await tx
    .select()
    .from(planVersions)
    .where(and(eq(planVersions.pool, name), eq(planVersions.version, running)));
  return row;
}

/** As a heartbeat is answered: without the plan itself. */
export async function wantedPlan(tx: Queryable, labels: Labels): Promise<Wanted> {
  const found = poolOf(labels, await allPools(tx));
  if (found === undefined) return { pool: null, plan: null };
  const { name, running, unplanned } = found;
  const pool = { name, unplanned };
  if (running === null) return { pool, plan: null };
  const [row] = await tx
    .select({ digest: planVersions.digest })
    .from(planVersions)
    .where(and(eq(planVersions.pool, name), eq(planVersions.version, running)));
  const plan = row === undefined ? null : { pool: name, version: running, digest: row.digest };
  return { pool, plan };
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
