/** What nodes say of themselves: heartbeats, profiles, snapshots. */
import { eq, inArray, sql } from "drizzle-orm";
import type { HeldSnapshot, Heartbeat, HeartbeatAnswer } from "@evenkeel/api";
import { driftOf, type Drift } from "@evenkeel/core";
import { record } from "../audit.ts";
import type { Actor, Context } from "../context.ts";
import { readProfileJson } from "../documents.ts";
import { ServerError } from "../errors.ts";
import { plannedNode, runningVersion, wantedPlan } from "../pools/running.ts";
import { contracts, heldSnapshots, nodeHistory, nodes } from "../store/schema.ts";
import type { Queryable } from "../store/store.ts";
import { keepProfile, loadProfile } from "./profiles.ts";

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

export async function heartbeat(
  { store, times, picture }: Context,
  actor: NodeActor,
  beat: Heartbeat,
): Promise<HeartbeatAnswer> {
  const { capacity, plan, planError = null } = beat;
  let isNews = false;
  const answer = await store.db.transaction(async (tx): Promise<HeartbeatAnswer> => {
    const row = await lockNode(tx, actor);
    const pendingProfile = beat.profile === row.profile ? null : beat.profile;
    isNews = pendingProfile !== row.pendingProfile;
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
      })
      .where(eq(nodes.id, actor.id));
    const needs: HeartbeatAnswer["needs"] = [];
    if (pendingProfile !== null) needs.push("profile");
    if (beat.snapshots !== row.snapshots) needs.push("snapshots");
    return {
      node: actor.id,
      needs,
      plan: await wantedPlan(tx, row.labels),
      heartbeatSeconds: times.heartbeatSeconds,
    };
  });
  // A node whose profile has changed gets nothing from now on; the rest can wait a second.
  if (isNews) picture.changed();
  return answer;
}

/** Why a node gets no new work after a change; undefined where the change means nothing. */
function heldBecause({ matters, outcome, reasons, changes, snapshots }: Drift): string | undefined {
  if (!matters) return undefined;
  const seen = changes.seen.map(({ name }) => name);
  const found = snapshots.findings
    .filter(({ severity }) => severity !== "note")
    .map(({ name }) => name);
  const names = [...new Set([...reasons, ...seen, ...found])];
  const shown = names.slice(0, 6).join(", ");
  const more = names.length > 6 ? ` and ${names.length - 6} more` : "";
  return `drift: ${outcome}${shown === "" ? "" : `: ${shown}${more}`}`;
}

/**
 * Takes a changed profile, judged by `drift` against the last one that nothing was held against.
 * Throws BAD_REQUEST, NOT_YOURS.
 */
export async function reportProfile(
  { store, picture }: Context,
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
    const baseline = await loadProfile(tx, row.baseline);
    const running = await runningVersion(tx, row.labels);
    const planned = running === undefined ? undefined : plannedNode(running, baseline);
    const drift = driftOf(baseline, read.profile, planned);
    const held = heldBecause(drift);
    const variant = await keepProfile(tx, read);
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
    const change = { node: actor.id, time: sql`now()`, profile: read.digest };
    await tx.insert(nodeHistory).values({ ...change, drift: drift.outcome, reasons });
    await record(tx, actor, {
      action: held === undefined ? "node.changed" : "node.held",
      subject: actor.name,
      data: { profile: read.digest, drift: drift.outcome, ...(held === undefined ? {} : { held }) },
    });
  });
  picture.changed();
}

async function missingContracts(tx: Queryable, list: readonly HeldSnapshot[]): Promise<string[]> {
  const wanted = [...new Set(list.map(({ contract }) => contract))];
  const known = new Set<string>();
  for (let i = 0; i < wanted.length; i += CHUNK) {
    const rows = await tx
      .select({ digest: contracts.digest })
      .from(contracts)
      .where(inArray(contracts.digest, wanted.slice(i, i + CHUNK)));
    for (const { digest } of rows) known.add(digest);
  }
  return wanted.filter((digest) => !known.has(digest));
}

/** Takes the whole list at once, or says which contracts have to come first. */
export async function reportSnapshots(
  { store, picture }: Context,
  actor: NodeActor,
  report: { readonly digest: string; readonly snapshots: readonly HeldSnapshot[] },
): Promise<{ readonly missing: string[] }> {
  const { digest, snapshots: list } = report;
  const missing = await store.db.transaction(async (tx) => {
    await lockNode(tx, actor);
    const lacking = await missingContracts(tx, list);
    if (lacking.length > 0) return lacking;
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
    return [];
  });
  if (missing.length === 0) picture.changed();
  return { missing };
}
