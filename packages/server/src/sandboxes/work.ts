/**
 * Work for nodes: rows that a node fetches, does, and answers. It may do a thing twice where an
 * answer was lost, and each thing is such that twice is once; an answer counts once.
 */
import { randomBytes } from "node:crypto";
import { and, asc, eq, inArray, notInArray, sql } from "drizzle-orm";
import type { Work, WorkBody, WorkResult } from "@evenkeel/api";
import type { Context } from "../context.ts";
import { ServerError } from "../errors.ts";
import { nodes, work } from "../store/schema.ts";
import type { Queryable } from "../store/store.ts";
import type { Signals } from "./signals.ts";

export type WorkRow = typeof work.$inferSelect;

/** What a node is at once: the rest waits. */
const MOST = 64;
const WAIT_MS = 10_000;
/** Other servers of the same database do not wake this one. */
const LOOK_MS = 1000;

export function newWorkId(): string {
  return `w${randomBytes(12).toString("hex")}`;
}

/** Throws NO_SUCH_NODE where it was deleted meanwhile; it is not until the transaction ends. */
export async function enqueue(
  tx: Queryable,
  {
    id = newWorkId(),
    node,
    sandbox = null,
    body,
  }: {
    readonly id?: string;
    readonly node: string;
    readonly sandbox?: string | null;
    readonly body: WorkBody;
  },
): Promise<string> {
  const there = tx.select({ id: nodes.id }).from(nodes).where(eq(nodes.id, node));
  if ((await there.for("key share")).length === 0) {
    throw new ServerError("NO_SUCH_NODE", `node ${node} was deleted`);
  }
  const row = { id, node, sandbox, body: JSON.stringify(body), state: "queued" as const };
  await tx.insert(work).values({ ...row, created: sql`now()` });
  return id;
}

async function queued(tx: Queryable, node: string, running: readonly string[]): Promise<Work[]> {
  const room = Math.max(0, MOST - running.length);
  if (room === 0) return [];
  const others = running.length === 0 ? undefined : notInArray(work.id, [...running]);
  const rows = await tx
    .select({ id: work.id, body: work.body })
    .from(work)
    .where(and(eq(work.node, node), eq(work.state, "queued"), others))
    .orderBy(asc(work.number))
    .limit(room);
  return rows.map(({ id, body }) => ({ id, work: JSON.parse(body) as WorkBody }));
}

/** What a node has to do that it is not at; `waits`, where there is nothing. */
export async function takeWork(
  { store }: Context,
  signals: Signals,
  node: string,
  running: readonly string[],
  waits: boolean,
): Promise<Work[]> {
  const found = await queued(store.db, node, running);
  if (found.length > 0 || !waits) return found;
  await signals.wait(`node ${node}`, WAIT_MS);
  return await queued(store.db, node, running);
}

/** Wakes the nodes that wait here for work which another server was asked for. */
export function watchWork({ store, report }: Context, signals: Signals): () => void {
  const look = async () => {
    const waiting = signals.waiting("node ");
    if (waiting.length === 0) return;
    const rows = await store.db
      .selectDistinct({ node: work.node })
      .from(work)
      .where(eq(work.state, "queued"));
    for (const { node } of rows) signals.wake(`node ${node}`);
  };
  let isLooking = false;
  const timer = setInterval(() => {
    if (isLooking) return;
    isLooking = true;
    look()
      .catch((error: unknown) => report("work for nodes", String(error)))
      .finally(() => {
        isLooking = false;
      });
  }, LOOK_MS).unref();
  return () => clearInterval(timer);
}

/** The row, once: undefined where it was answered before. Throws NO_SUCH_WORK. */
export async function finish(
  tx: Queryable,
  node: string,
  id: string,
  { error }: WorkResult,
): Promise<WorkRow | undefined> {
  const [row] = await tx
    .select()
    .from(work)
    .where(and(eq(work.id, id), eq(work.node, node)))
    .for("update");
  if (row === undefined) throw new ServerError("NO_SUCH_WORK", `${id} is no work of this node`);
  if (row.state !== "queued") return undefined;
  const done = {
    state: error === undefined ? ("done" as const) : ("failed" as const),
    code: error?.code ?? null,
    message: error?.message ?? null,
  };
  await tx
    .update(work)
    .set({ ...done, finished: sql`now()` })
    .where(eq(work.id, id));
  return { ...row, ...done };
}

/** The work that a transfer is, for the node that sends it or the one that fetches it. */
export async function requireTransfer(
  tx: Queryable,
  id: string,
  node: string,
  side: "send" | "fetch",
): Promise<void> {
  const [row] = await tx.select().from(work).where(eq(work.id, id));
  const body = row === undefined ? undefined : (JSON.parse(row.body) as WorkBody);
  if (row !== undefined && body?.kind === "send") {
    const own = side === "send" ? row.node : body.to;
    if (own === node && row.state === "queued") return;
  }
  throw new ServerError("NO_SUCH_WORK", `there is no transfer ${id} that this node is to ${side}`);
}

/** Waits until work was answered; undefined where it was not in time. Throws STOPPING. */
export async function outcomeOf(
  { store }: Context,
  signals: Signals,
  id: string,
  milliseconds: number,
): Promise<WorkRow | undefined> {
  const end = performance.now() + milliseconds;
  for (;;) {
    const [row] = await store.db
      .select()
      .from(work)
      .where(inArray(work.id, [id]));
    if (row === undefined) throw new ServerError("WRONG_STATE", "its node was deleted");
    if (row.state !== "queued") return row;
    const left = end - performance.now();
    if (left <= 0) return undefined;
    await signals.wait(`work ${id}`, Math.min(left, LOOK_MS));
  }
}
