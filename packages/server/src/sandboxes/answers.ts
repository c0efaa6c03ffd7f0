/** What nodes say of sandboxes: what became of work, and lists of what there is. */
import { and, asc, eq, inArray, isNull, lt, notInArray, sql } from "drizzle-orm";
import type { NodeSandbox, WorkBody, WorkResult } from "@evenkeel/api";
import { missingContracts } from "../contracts/index-writes.ts";
import { sandboxes, work } from "../store/schema.ts";
import type { Queryable } from "../store/store.ts";
import type { SandboxRow } from "./view.ts";
import { enqueue, type WorkRow } from "./work.ts";

type Change = Partial<typeof sandboxes.$inferInsert>;

/** What a node says of a sandbox, without what it does not. */
function seen({ state, from, snapshot, contract, memoryMib }: NodeSandbox): Change {
  return {
    state,
    memoryMib,
    snapshot: snapshot ?? null,
    ...(from === undefined ? {} : { from }),
    ...(contract === undefined ? {} : { contract }),
  };
}

/** What a sandbox is after its node could not do a thing: what it was before. */
const AFTER_FAILURE: Readonly<Partial<Record<SandboxRow["state"], SandboxRow["state"]>>> = {
  creating: "failed",
  resuming: "paused",
  pausing: "running",
  killing: "failed",
};

function failed(row: SandboxRow, { error }: WorkResult): Change {
  const text = error === undefined ? null : `${error.message} (${error.code})`;
  return { state: AFTER_FAILURE[row.state] ?? row.state, error: text };
}

/** Takes the answer to a sandbox's work. */
export async function applyResult(tx: Queryable, done: WorkRow, result: WorkResult): Promise<void> {
  if (done.sandbox === null) return;
  const [row] = await tx
    .select()
    .from(sandboxes)
    .where(eq(sandboxes.id, done.sandbox))
    .for("update");
  if (row?.work !== done.id) return;
  const here = eq(sandboxes.id, row.id);
  const { kind } = JSON.parse(done.body) as WorkBody;
  if (done.state === "done" && kind === "kill") {
    await tx.delete(sandboxes).where(here);
    return;
  }
  const times = { work: null, updated: sql`now()` };
  if (done.state === "failed") {
    await tx
      .update(sandboxes)
      .set({ ...failed(row, result), ...times })
      .where(here);
    return;
  }
  const now: Change = result.sandbox === undefined ? {} : seen(result.sandbox);
  await tx
    .update(sandboxes)
    .set({ ...now, error: null, node: done.node, ...times })
    .where(here);
  // It runs elsewhere now: what is left of it where it was paused can go.
  if (row.node === done.node) return;
  await enqueue(tx, { node: row.node, body: { kind: "kill", sandbox: row.id } });
}

/**
 * Gives up what a node that is about to be deleted was to do for sandboxes of others: its answer
 * never comes, and they are again what they were. In the order of {@link applyResult}: work first.
 */
export async function abandonWork(
  tx: Queryable,
  { id, name }: { readonly id: string; readonly name: string },
): Promise<void> {
  const rows = await tx
    .select({ id: work.id })
    .from(work)
    .where(and(eq(work.node, id), eq(work.state, "queued")))
    .orderBy(asc(work.number))
    .for("update");
  if (rows.length === 0) return;
  const lost = rows.map((row) => row.id);
  const left = await tx
    .select()
    .from(sandboxes)
    .where(inArray(sandboxes.work, lost))
    .orderBy(sandboxes.id)
    .for("update");
  const error = { code: "NO_SUCH_NODE", message: `${name} was deleted before it answered` };
  for (const row of left) {
    await tx
      .update(sandboxes)
      .set({ ...failed(row, { error }), work: null, updated: sql`now()` })
      .where(eq(sandboxes.id, row.id));
  }
}

function isSame(row: SandboxRow, now: Change): boolean {
  return (Object.entries(now) as [keyof SandboxRow, unknown][]).every(
    ([key, value]) => row[key] === value,
  );
}

/** A list is as old as the call that brings it: what is younger than this is not in it yet. */
const GRACE = sql`now() - interval '30 seconds'`;

/** Rows of one statement: PostgreSQL takes 65,535 parameters. */
const CHUNK = 2000;

/**
 * Takes a node's list. What is another node's, or being worked at, is left alone. Returns the
 * contracts that nobody has reported.
 */
export async function applyList(
  tx: Queryable,
  { id: node, name }: { readonly id: string; readonly name: string },
  list: readonly NodeSandbox[],
): Promise<string[]> {
  const rows = await tx.select().from(sandboxes).where(eq(sandboxes.node, node));
  const own = new Map(rows.map((row) => [row.id, row]));
  const found = list.filter(({ id }) => !own.has(id));
  for (let at = 0; at < found.length; at += CHUNK) {
    const added = found.slice(at, at + CHUNK).map((one) => ({
      ...seen(one),
      id: one.id,
      node,
      state: one.state,
      memoryMib: one.memoryMib,
      labels: one.labels,
      onTimeout: "kill" as const,
      createdBy: `node:${name}`,
      created: new Date(one.created),
      updated: sql`now()`,
    }));
    await tx.insert(sandboxes).values(added).onConflictDoNothing();
  }
  for (const one of list) {
    const row = own.get(one.id);
    const now = seen(one);
    if (row === undefined || row.work !== null || isSame(row, now)) continue;
    await tx
      .update(sandboxes)
      .set({ ...now, updated: sql`now()` })
      .where(and(eq(sandboxes.id, one.id), isNull(sandboxes.work)));
  }
  const there = list.map(({ id }) => id);
  await tx
    .delete(sandboxes)
    .where(
      and(
        eq(sandboxes.node, node),
        isNull(sandboxes.work),
        lt(sandboxes.updated, GRACE),
        there.length === 0 ? undefined : notInArray(sandboxes.id, there),
      ),
    );
  const named = list.flatMap(({ contract }) => contract ?? []);
  return await missingContracts(tx, named);
}
