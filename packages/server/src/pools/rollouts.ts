/**
 * Rollouts of plan versions. Each step is one transaction of the server that leads rollouts, under
 * the lock of pools, which operators' changes take as well.
 */
import { and, eq, sql } from "drizzle-orm";
import { record } from "../audit.ts";
import type { Actor, Context } from "../context.ts";
import { ServerError } from "../errors.ts";
import { heldOf, SILENT, stateAfter } from "../nodes/view.ts";
import { matches, type Labels } from "../placement/fleet.ts";
import { takeLock } from "../store/locks.ts";
import { nodes, planVersions, pools, profiles, rollouts } from "../store/schema.ts";
import type { Queryable } from "../store/store.ts";
import { chooseCanaries, nextStep, type Member } from "./waves.ts";

type RolloutRow = typeof rollouts.$inferSelect;

async function membersOf(tx: Queryable, { times }: Context, selector: Labels): Promise<Member[]> {
  const rows = await tx
    .select({ node: nodes, class: profiles.class, silent: SILENT })
    .from(nodes)
    .innerJoin(profiles, eq(profiles.digest, nodes.profile));
  return rows
    .filter(({ node }) => matches(selector, node.labels))
    .map(({ node, class: className, silent }) => ({
      id: node.id,
      name: node.name,
      class: className,
      isReady: stateAfter(silent, times) === "ready" && heldOf(node) === null && !node.cordoned,
      applied: node.planDigest,
      refused: node.planRefused,
      error: node.planError,
    }));
}

/** The rollout of a pool, if one is under way. */
export async function rollingOf(tx: Queryable, pool: string): Promise<RolloutRow | undefined> {
  const [row] = await tx
    .select()
    .from(rollouts)
    .where(and(eq(rollouts.pool, pool), eq(rollouts.state, "rolling")));
  return row;
}

/** Begins with one node of each class. The lock of pools must be held. Throws WRONG_STATE. */
export async function beginRollout(
  tx: Queryable,
  context: Context,
  { name, selector }: { readonly name: string; readonly selector: Labels },
  version: number,
): Promise<void> {
  const members = await membersOf(tx, context, selector);
  const chosen = chooseCanaries(members);
  const untried = [...chosen].find(([, member]) => member === undefined);
  if (untried !== undefined) {
    const message = `class ${untried[0]} has no node to try version ${version} on: none is ready`;
    throw new ServerError("WRONG_STATE", message);
  }
  const row = {
    version,
    stage: "canary" as const,
    state: "rolling" as const,
    why: null,
    canaries: [...chosen.values()].flatMap((member) => (member === undefined ? [] : [member.id])),
    started: sql`now()`,
    stageSince: sql`now()`,
  };
  await tx
    .insert(rollouts)
    .values({ pool: name, ...row })
    .onConflictDoUpdate({ target: rollouts.pool, set: row });
}

function versionOf(pool: string, version: number) {
  return and(eq(planVersions.pool, pool), eq(planVersions.version, version));
}

/** Lets a version be the one that runs. The lock of pools must be held. */
export async function finishVersion(
  tx: Queryable,
  pool: string,
  { from, to }: { readonly from: number | null; readonly to: number },
): Promise<void> {
  if (from !== null) {
    await tx.update(planVersions).set({ state: "superseded" }).where(versionOf(pool, from));
  }
  await tx.update(planVersions).set({ state: "running" }).where(versionOf(pool, to));
  await tx.update(pools).set({ running: to }).where(eq(pools.name, pool));
}

/** All nodes are told the version before from now on; the halted one can be approved again. */
async function halt(tx: Queryable, actor: Actor | "server", row: RolloutRow, why: string) {
  const { pool, version } = row;
  await tx.update(rollouts).set({ state: "halted", why }).where(eq(rollouts.pool, pool));
  await tx.update(planVersions).set({ state: "proposed" }).where(versionOf(pool, version));
  const data = { version, stage: row.stage, why };
  await record(tx, actor, { action: "rollout.halted", subject: pool, data });
}

/** Throws NO_SUCH_POOL, WRONG_STATE. */
export async function haltRollout(tx: Queryable, actor: Actor, pool: string): Promise<void> {
  await takeLock(tx, "pools");
  const row = await rollingOf(tx, pool);
  if (row === undefined) throw new ServerError("WRONG_STATE", `nothing rolls out in ${pool}`);
  await halt(tx, actor, row, "an operator halted it");
}

async function stepOne(context: Context, tx: Queryable, row: RolloutRow): Promise<void> {
  const { pool, version } = row;
  const [found] = await tx.select().from(pools).where(eq(pools.name, pool));
  const [planned] = await tx
    .select({ digest: planVersions.digest })
    .from(planVersions)
    .where(versionOf(pool, version));
  if (found === undefined || planned === undefined) return;
  const { rows } = await tx.execute<{ seconds: number }>(sql`
    select extract(epoch from now() - stage_since)::float8 as seconds from rollouts
    where pool = ${pool}`);
  const members = await membersOf(tx, context, found.selector);
  const step = nextStep(row, planned.digest, members, rows[0]?.seconds ?? 0);
  if (step.kind === "wait") return;
  if (step.kind === "halt") return await halt(tx, "server", row, step.why);
  if (step.kind === "next") {
    const { stage } = step;
    const change = { stage, stageSince: sql`now()` };
    await tx.update(rollouts).set(change).where(eq(rollouts.pool, pool));
    const data = { version, stage };
    await record(tx, "server", { action: "rollout.advanced", subject: pool, data });
    return;
  }
  await finishVersion(tx, pool, { from: found.running, to: version });
  await tx.update(rollouts).set({ state: "done" }).where(eq(rollouts.pool, pool));
  await record(tx, "server", { action: "rollout.done", subject: pool, data: { version } });
}

/** Takes the next step of each rollout that can take one; whether there was any. */
export async function stepRollouts(context: Context, tx: Queryable): Promise<boolean> {
  const rolling = eq(rollouts.state, "rolling");
  const any = await tx.select({ pool: rollouts.pool }).from(rollouts).where(rolling).limit(1);
  if (any.length === 0) return false;
  await takeLock(tx, "pools");
  for (const row of await tx.select().from(rollouts).where(rolling)) {
    await stepOne(context, tx, row);
  }
  return true;
}
