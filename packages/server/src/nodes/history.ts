/** What changed on a node, and how often it may. */
import { and, desc, eq, gt, lt, sql } from "drizzle-orm";
import { ServerError } from "../errors.ts";
import { nodeHistory, profiles } from "../store/schema.ts";
import type { Queryable } from "../store/store.ts";

/** Within an hour. A node changes when it is booted, upgraded or repaired. */
const MOST_CHANGES = 30;
/** Kinds of nodes that one node has been: each is judged with every contract. */
const MOST_KINDS = 100;
/** Changes that are kept. */
const MOST_KEPT = 1000;

/** Throws TOO_FAST, TOO_MANY. Until the change is taken, the node gets no new work. */
export async function requireChangeable(tx: Queryable, node: string): Promise<void> {
  const [recent] = await tx
    .select({ count: sql<string>`count(*)` })
    .from(nodeHistory)
    .where(and(eq(nodeHistory.node, node), gt(nodeHistory.time, sql`now() - interval '1 hour'`)));
  if (Number(recent?.count ?? 0) > MOST_CHANGES) {
    throw new ServerError("TOO_FAST", `${MOST_CHANGES} changes of a profile within an hour`);
  }
  const [kinds] = await tx
    .select({ count: sql<string>`count(distinct ${profiles.variant})` })
    .from(nodeHistory)
    .innerJoin(profiles, eq(profiles.digest, nodeHistory.profile))
    .where(eq(nodeHistory.node, node));
  if (Number(kinds?.count ?? 0) <= MOST_KINDS) return;
  throw new ServerError("TOO_MANY", `the node has been ${MOST_KINDS} kinds of nodes`);
}

export interface Change {
  readonly node: string;
  readonly profile: string;
  readonly drift: string | null;
  readonly reasons: readonly string[];
}

/** Keeps a change, and forgets the oldest beyond what is kept. */
export async function keepChange(tx: Queryable, change: Change): Promise<void> {
  await tx.insert(nodeHistory).values({ ...change, time: sql`now()` });
  const [oldest] = await tx
    .select({ id: nodeHistory.id })
    .from(nodeHistory)
    .where(eq(nodeHistory.node, change.node))
    .orderBy(desc(nodeHistory.id))
    .offset(MOST_KEPT - 1)
    .limit(1);
  if (oldest === undefined) return;
  await tx
    .delete(nodeHistory)
    .where(and(eq(nodeHistory.node, change.node), lt(nodeHistory.id, oldest.id)));
}
