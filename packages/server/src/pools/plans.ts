/** Versions of a pool's plan: computed, looked at, approved. A version never changes. */
import { createHash } from "node:crypto";
import { and, desc, eq, inArray, ne } from "drizzle-orm";
import type { PlanRequest, PlanVersion } from "@evenkeel/api";
import {
  ALL_LINES,
  CoreError,
  formatTemplate,
  knownLine,
  parseFeatures,
  parseIdentity,
  planPool,
  planToJson,
  type NodeProfile,
  type Plan,
  type PlanOptions,
} from "@evenkeel/core";
import { record } from "../audit.ts";
import { judgeAccepted } from "../contracts/index-writes.ts";
import { actorText, type Actor, type Context } from "../context.ts";
import { storedProfile } from "../documents.ts";
import { ServerError } from "../errors.ts";
import { matches, type Labels } from "../placement/fleet.ts";
import { takeLock } from "../store/locks.ts";
import { contracts, nodes, planVersions, profiles, verdicts } from "../store/schema.ts";
import type { Queryable } from "../store/store.ts";
import { differenceOf, partsOf } from "./difference.ts";
import { requirePool } from "./pools.ts";
import { beginRollout, finishVersion, rollingOf } from "./rollouts.ts";
import { filesOf } from "./running.ts";

type VersionRow = typeof planVersions.$inferSelect;

function viewOf(row: VersionRow): PlanVersion {
  const { plan, templates } = filesOf(row);
  const { features, templates: classes } = partsOf(plan, templates);
  return {
    pool: row.pool,
    version: row.version,
    state: row.state,
    digest: row.digest,
    created: row.created.toISOString(),
    createdBy: row.createdBy,
    approvedBy: row.approvedBy,
    features: features.length,
    classes: [...classes.keys()],
    difference: row.difference,
  };
}

/** Oldest first; throws NO_SUCH_POOL. */
export async function listPlans(tx: Queryable, pool: string): Promise<PlanVersion[]> {
  await requirePool(tx, pool);
  const rows = await tx
    .select()
    .from(planVersions)
    .where(eq(planVersions.pool, pool))
    .orderBy(planVersions.version);
  return rows.map(viewOf);
}

async function requireVersion(tx: Queryable, pool: string, version: number): Promise<VersionRow> {
  await requirePool(tx, pool);
  const [row] = await tx
    .select()
    .from(planVersions)
    .where(and(eq(planVersions.pool, pool), eq(planVersions.version, version)));
  if (row !== undefined) return row;
  throw new ServerError("NO_SUCH_PLAN", `pool ${pool} has no plan version ${version}`);
}

/** Throws NO_SUCH_POOL, NO_SUCH_PLAN. */
export async function getPlan(tx: Queryable, pool: string, version: number) {
  const row = await requireVersion(tx, pool, version);
  const { plan, templates } = filesOf(row);
  return { ...viewOf(row), plan, templates };
}

/** Throws BAD_REQUEST. */
function optionsOf(request: PlanRequest): PlanOptions {
  const { identity, firecracker = ALL_LINES, require, forbid, without, accept } = request;
  return {
    identity: parseIdentity(identity),
    firecracker: [...new Set(firecracker.map(knownLine))],
    require: parseFeatures(require, "require"),
    forbid: parseFeatures(forbid, "forbid"),
    without,
    accept,
  };
}

interface Members {
  readonly profiles: readonly NodeProfile[];
  /** Of each profile. */
  readonly variants: readonly string[];
}

/** Equal nodes share one CPU, so that a large pool is a few profiles. */
async function membersOf(tx: Queryable, selector: Labels): Promise<Members> {
  const rows = await tx
    .select({
      name: nodes.name,
      labels: nodes.labels,
      variant: nodes.variant,
      digest: profiles.digest,
      text: profiles.profile,
    })
    .from(nodes)
    .innerJoin(profiles, eq(profiles.digest, nodes.profile))
    .orderBy(nodes.name);
  const own = rows.filter(({ labels }) => matches(selector, labels));
  return {
    profiles: own.map(({ text }) => storedProfile(text)),
    variants: own.map(({ variant }) => variant),
  };
}

/** Throws PLAN_REFUSED with all reasons, BAD_REQUEST. */
function planFor(pool: string, members: readonly NodeProfile[], request: PlanRequest): Plan {
  if (members.length === 0) throw new ServerError("PLAN_REFUSED", `pool ${pool} has no nodes`);
  try {
    const result = planPool(members, optionsOf(request));
    if (result.ok) return result.plan;
    const problems = result.refusals.map(({ code, message, hint }) => ({
      path: code,
      message: `${message}. ${hint}`,
    }));
    const text = result.refusals.map(({ message }) => message).join("; ");
    throw new ServerError("PLAN_REFUSED", text, { problems });
  } catch (cause) {
    if (!(cause instanceof CoreError)) throw cause;
    const { problems } = cause;
    throw new ServerError("BAD_REQUEST", cause.message, { cause, problems });
  }
}

function templatesOf(plan: Plan): Record<string, string> {
  return Object.fromEntries(
    plan.classes.map(({ file, template }) => [file, formatTemplate(template)]),
  );
}

/** Contracts of a plan that some of these nodes cannot resume. */
async function affectedBy(
  tx: Queryable,
  running: VersionRow | undefined,
  variants: readonly string[],
): Promise<string[]> {
  if (running === undefined || variants.length === 0) return [];
  const rows = await tx
    .selectDistinct({ digest: contracts.digest })
    .from(contracts)
    .innerJoin(verdicts, eq(verdicts.contract, contracts.digest))
    .where(
      and(
        eq(contracts.plan, running.digest),
        inArray(verdicts.variant, [...new Set(variants)]),
        ne(verdicts.verdict, "compatible"),
      ),
    )
    .orderBy(contracts.digest);
  return rows.map(({ digest }) => digest);
}

async function nextVersion(tx: Queryable, pool: string): Promise<number> {
  const [last] = await tx
    .select({ version: planVersions.version })
    .from(planVersions)
    .where(eq(planVersions.pool, pool))
    .orderBy(desc(planVersions.version))
    .limit(1);
  return (last?.version ?? 0) + 1;
}

/** Plans the nodes that a pool has now; throws NO_SUCH_POOL, PLAN_REFUSED, BAD_REQUEST. */
export async function computePlan(
  tx: Queryable,
  actor: Actor,
  pool: string,
  request: PlanRequest,
): Promise<PlanVersion> {
  await takeLock(tx, "pools");
  const { selector, running: number } = await requirePool(tx, pool);
  const members = await membersOf(tx, selector);
  const made = planFor(pool, members.profiles, request);
  const plan = JSON.parse(JSON.stringify(planToJson(made))) as Record<string, unknown>;
  const templates = templatesOf(made);
  const digest = createHash("sha256").update(JSON.stringify({ plan, templates })).digest("hex");
  const running = number === null ? undefined : await requireVersion(tx, pool, number);
  const from =
    running === undefined
      ? undefined
      : {
          version: running.version,
          parts: partsOf(filesOf(running).plan, filesOf(running).templates),
        };
  const affected = await affectedBy(tx, running, members.variants);
  const [row] = await tx
    .insert(planVersions)
    .values({
      pool,
      version: await nextVersion(tx, pool),
      state: "proposed",
      digest,
      plan: JSON.stringify(plan),
      templates: JSON.stringify(templates),
      difference: differenceOf(from, partsOf(plan, templates), affected),
      created: new Date(),
      createdBy: actorText(actor),
      variants: [...new Set(members.variants)],
    })
    .returning();
  if (row === undefined) throw new Error("one row was inserted");
  const data = { version: row.version, digest };
  await record(tx, actor, { action: "plan.computed", subject: pool, data });
  return viewOf(row);
}

/** A version that never ran has to be compared with the one that does. */
function requireApprovable(row: VersionRow, running: number | null, digest: string) {
  const { state, version, difference } = row;
  if (row.digest !== digest) {
    const message = `version ${version} is ${row.digest}, and ${digest} was approved`;
    throw new ServerError("STALE_PLAN", message);
  }
  if (state === "running" || state === "rolling") {
    throw new ServerError("WRONG_STATE", `version ${version} runs already, or rolls out`);
  }
  if (state === "superseded" || difference.from === running) return;
  const against = difference.from === null ? "no version" : `version ${difference.from}`;
  const now = running === null ? "none" : `version ${running}`;
  const message = `version ${version} was compared with ${against}, and ${now} runs now`;
  throw new ServerError("STALE_PLAN", message);
}

/** What was looked at has to hold still: the nodes, and the contracts that are affected. */
async function requireCurrent(
  tx: Queryable,
  row: VersionRow,
  { selector, running }: { readonly selector: Labels; readonly running: number | null },
): Promise<void> {
  const planned = new Set(row.variants);
  const { profiles: own, variants } = await membersOf(tx, selector);
  const added = own.filter((_, i) => !planned.has(variants[i] ?? ""));
  const [first] = added;
  if (first !== undefined) {
    const more = added.length === 1 ? "" : ` and ${added.length - 1} more`;
    const message = `version ${row.version} was computed without ${first.name}${more}`;
    throw new ServerError("STALE_PLAN", message);
  }
  const now = running === null ? undefined : await requireVersion(tx, row.pool, running);
  const shown = new Set(row.difference.contractsAffected);
  const affected = await affectedBy(tx, now, variants);
  const unseen = affected.filter((digest) => !shown.has(digest));
  if (unseen.length === 0) return;
  const message = `contracts are affected that version ${row.version} does not show: ${unseen.length}`;
  throw new ServerError("STALE_PLAN", message);
}

/**
 * Lets the pool's nodes apply a version, of the digest that was looked at; one that ran before is a
 * rollback. Throws NO_SUCH_POOL, NO_SUCH_PLAN, WRONG_STATE, STALE_PLAN.
 */
export async function approvePlan(
  context: Context,
  tx: Queryable,
  actor: Actor,
  { name: pool, version }: { readonly name: string; readonly version: number },
  { digest, atOnce }: { readonly digest: string; readonly atOnce: boolean },
): Promise<PlanVersion> {
  await takeLock(tx, "pools");
  const row = await requireVersion(tx, pool, version);
  const found = await requirePool(tx, pool);
  const { running } = found;
  requireApprovable(row, running, digest);
  if (row.state === "proposed") await requireCurrent(tx, row, found);
  const rolling = await rollingOf(tx, pool);
  if (rolling !== undefined) {
    const message = `version ${rolling.version} rolls out: halt it first`;
    throw new ServerError("WRONG_STATE", message);
  }
  const isRollback = row.state === "superseded";
  await judgeAccepted(tx, context.index, row);
  if (isRollback || atOnce) await finishVersion(tx, pool, { from: running, to: version });
  else await beginRollout(tx, context, found, version);
  const here = and(eq(planVersions.pool, pool), eq(planVersions.version, version));
  const [approved] = await tx
    .update(planVersions)
    .set({
      approvedBy: actorText(actor),
      ...(isRollback || atOnce ? {} : { state: "rolling" as const }),
    })
    .where(here)
    .returning();
  if (approved === undefined) throw new Error("the version was just read");
  const action = isRollback ? "plan.rolled-back" : "plan.approved";
  await record(tx, actor, { action, subject: pool, data: { version, digest, from: running } });
  return viewOf(approved);
}
