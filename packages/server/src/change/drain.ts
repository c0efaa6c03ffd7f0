/**
 * `POST /v1/nodes/NAME/drain`: cordons a node, pauses what runs there and moves what can go. Each
 * step is work of its own, so that a call that ends early is simply made again.
 */
import { eq } from "drizzle-orm";
import type { Drain, DrainRequest } from "@evenkeel/api";
import { record } from "../audit.ts";
import type { Actor } from "../context.ts";
import { messageOf, ServerError } from "../errors.ts";
import type { Desk } from "../sandboxes/desk.ts";
import { startPause } from "../sandboxes/start.ts";
import { enqueue, outcomeOf, type WorkRow } from "../sandboxes/work.ts";
import { readFleetNodes } from "../placement/read.ts";
import { takeLock } from "../store/locks.ts";
import { nodes } from "../store/schema.ts";
import { planDrain, type DrainPlan } from "./drain-plan.ts";

/** Of one call: who asks goes on with another. */
const CALL_MS = 40_000;
const AT_ONCE = 4;
/** A node says what it holds with its heartbeats; until then its new snapshots are not known. */
const REPORT_MS = 15_000;
const LOOK_MS = 500;

interface Node {
  readonly id: string;
  readonly name: string;
}

async function requireNode({ context }: Desk, name: string): Promise<Node> {
  const { db } = context.store;
  const [row] = await db.select({ id: nodes.id }).from(nodes).where(eq(nodes.name, name));
  if (row === undefined) throw new ServerError("NO_SUCH_NODE", `there is no node "${name}"`);
  return { id: row.id, name };
}

function requireNumber({ stay }: DrainPlan, { name }: Node, strand: number): void {
  if (stay.length === strand) return;
  const problems = stay.slice(0, 50).map(({ what, why }) => ({ path: what, message: why }));
  const message = `${stay.length} would stay behind on ${name}; strand is ${strand}`;
  throw new ServerError("WOULD_STRAND", message, { problems });
}

async function planNow({ context }: Desk, { id }: Node): Promise<DrainPlan> {
  return await planDrain(context.store.db, await context.picture.now(), id);
}

/**
 * Counted anew with the cordon, by what the store has: of two nodes that are drained at once, each
 * would be the one that the other's snapshots go to.
 */
async function cordon({ context }: Desk, actor: Actor, node: Node, strand: number): Promise<void> {
  const { store, picture, times } = context;
  const { id, name } = node;
  const { index } = await picture.now();
  await store.db.transaction(async (tx) => {
    await takeLock(tx, "leaving");
    const [row] = await tx.select().from(nodes).where(eq(nodes.id, id)).for("update");
    const fleet = { nodes: await readFleetNodes(tx, times), index };
    requireNumber(await planDrain(tx, fleet, id), node, strand);
    if (row?.cordoned !== false) return;
    await tx.update(nodes).set({ cordoned: true }).where(eq(nodes.id, id));
    await record(tx, actor, { action: "node.drained", subject: name, data: { strand } });
  });
  picture.changed();
}

type Failure = Drain["failed"][number];

/** Some at a time, until the time is over; how many were done, and what failed. */
async function each<T>(
  list: readonly T[],
  end: number,
  nameOf: (item: T) => string,
  run: (item: T) => Promise<WorkRow | undefined>,
): Promise<{ readonly done: number; readonly failed: Failure[] }> {
  const left = [...list];
  const failed: Failure[] = [];
  let done = 0;
  const work = async () => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) {
      if (performance.now() > end) return;
      try {
        const row = await run(item);
        if (row?.state === "done") done += 1;
        // What has not been answered yet is under way: the next call sees what came of it.
        if (row?.state === "failed") {
          failed.push({ what: nameOf(item), why: row.message ?? "its node could not" });
        }
      } catch (error) {
        failed.push({ what: nameOf(item), why: messageOf(error) });
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return { done, failed };
}

async function pause(desk: Desk, actor: Actor, node: Node, id: string, end: number) {
  const { context, signals } = desk;
  const { work } = await context.store.db.transaction(
    async (tx) => await startPause(tx, actor, id),
  );
  signals.wake(`node ${node.id}`);
  return await outcomeOf(context, signals, work, Math.max(end - performance.now(), 1000));
}

async function move(desk: Desk, node: Node, one: DrainPlan["move"][number], end: number) {
  const { context, signals } = desk;
  const { snapshot, name, to } = one;
  const work = await context.store.db.transaction(async (tx) => {
    const send = { kind: "send", snapshot, to: to.id } as const;
    const transfer = await enqueue(tx, { node: node.id, body: send });
    const fetch = { kind: "fetch", snapshot, name, transfer } as const;
    return await enqueue(tx, { node: to.id, body: fetch });
  });
  for (const id of [node.id, to.id]) signals.wake(`node ${id}`);
  return await outcomeOf(context, signals, work, Math.max(end - performance.now(), 1000));
}

/** What was paused just now is a snapshot that the node reports with its next heartbeat. */
async function reported(desk: Desk, node: Node, end: number): Promise<DrainPlan> {
  const until = Math.min(end, performance.now() + REPORT_MS);
  for (;;) {
    const plan = await planNow(desk, node);
    if (plan.busy === 0 || performance.now() > until) return plan;
    await desk.signals.wait(`drain ${node.id}`, LOOK_MS);
    desk.context.picture.changed();
  }
}

function viewOf(
  node: Node,
  { pause: running, move: alone, stay }: DrainPlan,
  rest: Pick<Drain, "dryRun" | "done" | "failed" | "paused" | "moved">,
): Drain {
  const moves = alone.map(({ snapshot, name, to }) => ({ snapshot, name, to: to.name }));
  return { node: node.name, pause: [...running], move: moves, stay: [...stay], ...rest };
}

/** Throws NO_SUCH_NODE, WOULD_STRAND. */
export async function drain(
  desk: Desk,
  actor: Actor,
  name: string,
  { dryRun, strand }: DrainRequest,
): Promise<Drain> {
  const node = await requireNode(desk, name);
  const first = await planNow(desk, node);
  if (dryRun) {
    return viewOf(node, first, { dryRun, done: true, failed: [], paused: 0, moved: 0 });
  }
  await cordon(desk, actor, node, strand);
  const end = performance.now() + CALL_MS;
  const paused = await each(
    first.pause,
    end,
    (id) => id,
    async (id) => await pause(desk, actor, node, id, end),
  );
  const second = await reported(desk, node, end);
  // What was paused here has a contract of its own, which fewer nodes may be able to resume.
  if (second.stay.length > strand) requireNumber(second, node, strand);
  const moved = await each(
    second.move,
    end,
    (one) => one.name,
    async (one) => await move(desk, node, one, end),
  );
  const failed = [...paused.failed, ...moved.failed];
  const left = {
    ...second,
    move: second.move.filter(({ name: one }) => failed.some(({ what }) => what === one)),
  };
  const isQuiet = second.pause.length === 0 && second.busy === 0;
  const done = isQuiet && moved.done + moved.failed.length === second.move.length;
  const counts = { paused: paused.done, moved: moved.done };
  return viewOf(node, left, { dryRun, done, failed, ...counts });
}
