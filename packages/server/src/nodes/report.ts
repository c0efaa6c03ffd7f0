/** What nodes say of themselves: heartbeats, profiles, snapshots. */
import { MANIFESTS_AT_ONCE } from "@evenkeel/api/fleet";
import { eq, sql } from "drizzle-orm";
import type { HeldSnapshot, Heartbeat, HeartbeatAnswer } from "@evenkeel/api";
import { record } from "../audit.ts";
import { actorText, type Actor, type Context } from "../context.ts";
import type { LiveNode } from "../placement/live-nodes.ts";
import { readProfileJson } from "../documents.ts";
import { ServerError } from "../errors.ts";
import { versionFor, wantedPlan } from "../pools/running.ts";
import { missingContracts } from "../contracts/index-writes.ts";
import { heldSnapshots, nodes } from "../store/schema.ts";
import type { Queryable } from "../store/store.ts";
import { keepChange, requireChangeable } from "./history.ts";
import { judgeChange } from "./judge-change.ts";
import { dropManifests, missingManifests } from "./manifests.ts";
import { keepProfile } from "./profiles.ts";

type NodeActor = Extract<Actor, { kind: "node" }>;
type NodeRow = typeof nodes.$inferSelect;

/** Rows of one statement: PostgreSQL takes 65,535 parameters. */
const CHUNK = 5000;

/** The node's row, which nobody else changes until the transaction ends. */
async function lockNode(tx: Queryable, { id }: NodeActor): Promise<NodeRow> {
  const [row] = await tx.select().from(nodes).where(eq(nodes.id, id)).for("update");
  if (row === undefined) throw new ServerError("UNAUTHORIZED", `${id} was deleted`);
  return row;
}

/** Whether a heartbeat says nothing that is not known. */
function isOldNews(
  { row }: LiveNode,
  { profile, snapshots, plan, planError, planRefused }: Heartbeat,
): boolean {
  return (
    row.profile === profile &&
    row.pendingProfile === null &&
    row.snapshots === snapshots &&
    row.planPool === (plan?.pool ?? null) &&
    row.planVersion === (plan?.version ?? null) &&
    row.planDigest === (plan?.digest ?? null) &&
    row.planError === (planError ?? null) &&
    row.planRefused === (planRefused ?? null)
  );
}

function answerFrom({ row, pool }: LiveNode, heartbeatSeconds: number): HeartbeatAnswer {
  const said = { node: row.id, needs: [], heartbeatSeconds };
  if (pool === undefined) return { ...said, pool: null, plan: null };
  const { name, unplanned } = pool;
  const version = versionFor(pool, row.id);
  const digest = version === pool.running ? pool.digest : (pool.rollout?.digest ?? null);
  const plan = version === null || digest === null ? null : { pool: name, version, digest };
  return { ...said, pool: { name, unplanned }, plan };
}

async function writeHeartbeat(
  { store, times }: Context,
  actor: NodeActor,
  beat: Heartbeat,
): Promise<HeartbeatAnswer> {
  const { capacity, plan, planError = null, planRefused = null } = beat;
  return await store.db.transaction(async (tx): Promise<HeartbeatAnswer> => {
    const row = await lockNode(tx, actor);
    const pendingProfile = beat.profile === row.profile ? null : beat.profile;
    await tx
      .update(nodes)
      .set({
        seen: sql`now()`,
        capacity,
        pendingProfile,
        planPool: plan?.pool ?? null,
        planVersion: plan?.version ?? null,
        planDigest: plan?.digest ?? null,
        planError,
        planRefused,
      })
      .where(eq(nodes.id, actor.id));
    const needs: HeartbeatAnswer["needs"] = [];
    if (pendingProfile !== null) needs.push("profile");
    if (beat.snapshots !== row.snapshots) needs.push("snapshots");
    return {
      node: actor.id,
      needs,
      ...(await wantedPlan(tx, row)),
      heartbeatSeconds: times.heartbeatSeconds,
    };
  });
}

/** One without news costs the store nothing; any other is written before it is answered. */
export async function heartbeat(
  context: Context,
  actor: NodeActor,
  beat: Heartbeat,
): Promise<HeartbeatAnswer> {
  const { picture, times } = context;
  const known = picture.node(actor.id);
  if (known !== undefined && isOldNews(known, beat)) {
    picture.heard(known, beat.capacity);
    return answerFrom(known, times.heartbeatSeconds);
  }
  const answer = await writeHeartbeat(context, actor, beat);
  picture.changed(actor.id);
  return answer;
}

/**
 * Takes a changed profile, judged by `drift` against the last one that nothing was held against.
 * Throws BAD_REQUEST, NOT_YOURS.
 */
export async function reportProfile(
  { store, picture, index }: Context,
  actor: NodeActor,
  report: { readonly digest: string; readonly profile: Readonly<Record<string, unknown>> },
): Promise<void> {
  const read = readProfileJson(report.profile);
  if (read.profile.name !== actor.name) {
    const message = `this is the profile of ${read.profile.name}, sent by ${actor.name}`;
    throw new ServerError("NOT_YOURS", message);
  }
  if (read.digest !== report.digest) {
    throw new ServerError("BAD_REQUEST", "digest: is not the profile's");
  }
  await store.db.transaction(async (tx) => {
    const row = await lockNode(tx, actor);
    if (row.profile === read.digest) {
      await tx.update(nodes).set({ pendingProfile: null }).where(eq(nodes.id, actor.id));
      return;
    }
    await requireChangeable(tx, actor.id);
    const { drift, held } = await judgeChange(tx, row, read.profile);
    const variant = await keepProfile(tx, index, read);
    await tx
      .update(nodes)
      .set({
        profile: read.digest,
        variant,
        pendingProfile: null,
        held: held ?? null,
        ...(held === undefined ? { baseline: read.digest } : {}),
      })
      .where(eq(nodes.id, actor.id));
    const reasons = held === undefined ? [] : [held];
    const change = { node: actor.id, profile: read.digest };
    await keepChange(tx, { ...change, drift: drift.outcome, reasons });
    await record(tx, actor, {
      action: held === undefined ? "node.changed" : "node.held",
      subject: actor.name,
      data: { profile: read.digest, drift: drift.outcome, ...(held === undefined ? {} : { held }) },
    });
  });
  picture.changed(actor.id);
}

interface Lacking {
  readonly missing: string[];
  readonly manifests: string[];
}

/** Takes the whole list at once, or says which contracts and manifests have to come first. */
export async function reportSnapshots(
  { store, picture }: Context,
  actor: NodeActor,
  report: { readonly digest: string; readonly snapshots: readonly HeldSnapshot[] },
): Promise<Lacking> {
  const { digest, snapshots: list } = report;
  const lacking = await store.db.transaction(async (tx) => {
    await lockNode(tx, actor);
    const missing = await missingContracts(
      tx,
      list.map(({ contract }) => contract),
    );
    const unproven = await missingManifests(tx, list);
    if (missing.length + unproven.length > 0) {
      return { missing, manifests: unproven.slice(0, MANIFESTS_AT_ONCE) };
    }
    await tx.delete(heldSnapshots).where(eq(heldSnapshots.node, actor.id));
    for (let i = 0; i < list.length; i += CHUNK) {
      const rows = list.slice(i, i + CHUNK).map((held) => ({
        ...held,
        node: actor.id,
        parent: held.parent ?? null,
        created: new Date(held.created),
      }));
      await tx.insert(heldSnapshots).values(rows);
    }
    await tx.update(nodes).set({ snapshots: digest }).where(eq(nodes.id, actor.id));
    await dropManifests(tx, actorText(actor));
    return { missing: [], manifests: [] };
  });
  picture.changed(actor.id);
  return lacking;
}
