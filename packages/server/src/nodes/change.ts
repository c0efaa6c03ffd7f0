/** What operators do to nodes. */
import { eq, sql } from "drizzle-orm";
import { record } from "../audit.ts";
import type { Actor } from "../context.ts";
import { ServerError } from "../errors.ts";
import type { Labels } from "../placement/fleet.ts";
import { formerNodes, nodes } from "../store/schema.ts";
import type { Queryable } from "../store/store.ts";
import { admitLabels } from "./membership.ts";

/** Throws NO_SUCH_NODE. */
export async function lockByName(tx: Queryable, name: string) {
  const [row] = await tx.select().from(nodes).where(eq(nodes.name, name)).for("update");
  if (row === undefined) throw new ServerError("NO_SUCH_NODE", `there is no node "${name}"`);
  return row;
}

interface Update {
  readonly labels?: Labels | undefined;
  readonly cordoned?: boolean | undefined;
}

/** Throws NO_SUCH_NODE, POOLS_OVERLAP. */
export async function updateNode(tx: Queryable, actor: Actor, name: string, update: Update) {
  const { labels, cordoned } = update;
  if (labels !== undefined) await admitLabels(tx, name, labels);
  const row = await lockByName(tx, name);
  const change = {
    ...(labels === undefined ? {} : { labels }),
    ...(cordoned === undefined ? {} : { cordoned }),
  };
  if (Object.keys(change).length === 0) return;
  await tx.update(nodes).set(change).where(eq(nodes.id, row.id));
  await record(tx, actor, { action: "node.updated", subject: name, data: change });
}

/**
 * Takes a held node's profile, which must be the one that was looked at, for what `drift` compares
 * with from now on. Verdicts go by it already. Throws NO_SUCH_NODE, WRONG_STATE.
 */
export async function releaseNode(
  tx: Queryable,
  actor: Actor,
  name: string,
  seen: string,
): Promise<void> {
  const row = await lockByName(tx, name);
  const { held, profile } = row;
  if (held === null) throw new ServerError("WRONG_STATE", `${name} is not held`);
  if (profile !== seen || row.pendingProfile !== null) {
    const now = row.pendingProfile ?? profile;
    throw new ServerError("WRONG_STATE", `${name} has changed again: its profile is ${now}`);
  }
  await tx.update(nodes).set({ held: null, baseline: profile }).where(eq(nodes.id, row.id));
  await record(tx, actor, { action: "node.released", subject: name, data: { held, profile } });
}

/**
 * The certificate is worth nothing from now on. What the node was like is remembered by its name,
 * so that joining again is no way around a release or a cordon. Throws NO_SUCH_NODE.
 */
export async function deleteNode(tx: Queryable, actor: Actor, name: string): Promise<void> {
  const { id, baseline, cordoned } = await lockByName(tx, name);
  const former = { baseline, cordoned, deleted: sql`now()` };
  await tx
    .insert(formerNodes)
    .values({ name, ...former })
    .onConflictDoUpdate({ target: formerNodes.name, set: former });
  await tx.delete(nodes).where(eq(nodes.id, id));
  await record(tx, actor, { action: "node.deleted", subject: name, data: { id } });
}
