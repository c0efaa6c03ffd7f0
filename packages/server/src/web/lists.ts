/** Lists of the pages, a page of rows at a time: the store searches, sorts and counts. */
import { and, desc, eq, ilike, inArray, or, sql, type SQL } from "drizzle-orm";
import type { FleetSandbox, SandboxState } from "@evenkeel/api";
import type { Listed, SnapshotRow } from "@evenkeel/web";
import type { Context } from "../context.ts";
import { viewOf } from "../sandboxes/view.ts";
import { audit, heldSnapshots, nodes, sandboxes } from "../store/schema.ts";
import type { Queryable } from "../store/store.ts";
import { containing, countOf, jsonOf } from "./json.ts";
import { reachIn, type Reach } from "./reach.ts";
import { RECENT } from "./snapshot.ts";

const ROWS = 200;
const MOST_WORDS = 8;
const EVENTS = 100;

export interface Asked {
  readonly search: string;
  /** From 1. */
  readonly page: number;
}

function wordsOf(search: string): string[] {
  return search.toLowerCase().split(/\s+/).filter(Boolean).slice(0, MOST_WORDS);
}

function paged(matching: number, page: number) {
  const pages = Math.max(1, Math.ceil(matching / ROWS));
  const shown = Math.min(page, pages);
  return { pages, page: shown, offset: (shown - 1) * ROWS };
}

/** Rows of a list that is in memory. */
export function pageOf<T>(all: readonly T[], asked: Asked, textOf: (row: T) => string): Listed<T> {
  const words = wordsOf(asked.search);
  const found = all.filter((row) => {
    const text = words.length === 0 ? "" : textOf(row).toLowerCase();
    return words.every((word) => text.includes(word));
  });
  const { offset, ...place } = paged(found.length, asked.page);
  const rows = found.slice(offset, offset + ROWS);
  return { rows, matching: found.length, all: all.length, ...place };
}

/** Words that no text has: how far a snapshot reaches. */
const REACHES: Readonly<Record<string, (reach: Reach) => boolean>> = {
  stranded: ({ nodes: able }) => able === 0,
  "one-node": ({ nodes: able }) => able === 1,
  "one-class": ({ classes }) => classes.length === 1,
};

async function snapshotCondition(
  tx: Queryable,
  word: string,
  reach: (contract: string) => Reach,
): Promise<SQL | undefined> {
  const reaches = Object.hasOwn(REACHES, word) ? REACHES[word] : undefined;
  if (reaches !== undefined) {
    const rows = await tx.selectDistinct({ contract: heldSnapshots.contract }).from(heldSnapshots);
    const able = rows.map(({ contract }) => contract).filter((one) => reaches(reach(one)));
    return sql`${heldSnapshots.contract} in (select jsonb_array_elements_text(${JSON.stringify(able)}::jsonb))`;
  }
  const text = containing(word);
  const holders = tx
    .select({ digest: heldSnapshots.digest })
    .from(heldSnapshots)
    .innerJoin(nodes, eq(nodes.id, heldSnapshots.node))
    .where(ilike(nodes.name, text));
  const columns = [
    heldSnapshots.name,
    heldSnapshots.digest,
    heldSnapshots.contract,
    heldSnapshots.kind,
  ];
  return or(
    ...columns.map((column) => ilike(column, text)),
    inArray(heldSnapshots.digest, holders),
  );
}

async function countDigests(tx: Queryable, where: SQL | undefined): Promise<number> {
  const [row] = await tx
    .select({ count: countOf(sql`count(distinct ${heldSnapshots.digest})`) })
    .from(heldSnapshots)
    .where(where);
  return row?.count ?? 0;
}

export async function snapshotsPage(context: Context, asked: Asked): Promise<Listed<SnapshotRow>> {
  const { db } = context.store;
  const reach = reachIn(await context.picture.now());
  const conditions: (SQL | undefined)[] = [];
  for (const word of wordsOf(asked.search)) {
    conditions.push(await snapshotCondition(db, word, reach));
  }
  const where = and(...conditions);
  const all = await countDigests(db, undefined);
  const matching = conditions.length === 0 ? all : await countDigests(db, where);
  const { offset, ...place } = paged(matching, asked.page);
  const name = sql<string>`min(${heldSnapshots.name})`;
  const rows = await db
    .select({
      digest: heldSnapshots.digest,
      name,
      kind: sql<string>`min(${heldSnapshots.kind})`,
      contract: sql<string>`min(${heldSnapshots.contract})`,
      memoryMib: countOf(sql`min(${heldSnapshots.memoryMib})`),
      bytes: countOf(sql`min(${heldSnapshots.bytes})`),
      created: sql`min(${heldSnapshots.created})`.mapWith(heldSnapshots.created),
      nodes: jsonOf<string[]>(sql`jsonb_agg(${nodes.name} order by ${nodes.name})`),
    })
    .from(heldSnapshots)
    .innerJoin(nodes, eq(nodes.id, heldSnapshots.node))
    .where(where)
    .groupBy(heldSnapshots.digest)
    .orderBy(name, heldSnapshots.digest)
    .limit(ROWS)
    .offset(offset);
  const shown = rows.map(({ created, ...row }) => ({
    ...row,
    resumable: reach(row.contract).nodes,
    created: created.toISOString(),
  }));
  return { rows: shown, matching, all, ...place };
}

function sandboxCondition(word: string): SQL | undefined {
  const text = containing(word);
  const columns = [sandboxes.id, sandboxes.state, nodes.name, sandboxes.from, sandboxes.snapshot];
  return or(
    ...columns.map((column) => ilike(column, text)),
    sql`${sandboxes.labels}::text ilike ${text}`,
    ...(word === "error" ? [sql`${sandboxes.error} is not null`] : []),
  );
}

export async function sandboxesPage(
  { store: { db } }: Context,
  asked: Asked,
): Promise<
  Listed<FleetSandbox> & { readonly states: Readonly<Partial<Record<SandboxState, number>>> }
> {
  const where = and(...wordsOf(asked.search).map(sandboxCondition));
  const counts = await db
    .select({ state: sandboxes.state, count: countOf(sql`count(*)`) })
    .from(sandboxes)
    .groupBy(sandboxes.state)
    .orderBy(sandboxes.state);
  const [found] = await db
    .select({ count: countOf(sql`count(*)`) })
    .from(sandboxes)
    .innerJoin(nodes, eq(nodes.id, sandboxes.node))
    .where(where);
  const matching = found?.count ?? 0;
  const { offset, ...place } = paged(matching, asked.page);
  const rows = await db
    .select({ row: sandboxes, name: nodes.name })
    .from(sandboxes)
    .innerJoin(nodes, eq(nodes.id, sandboxes.node))
    .where(where)
    .orderBy(desc(sandboxes.created), sandboxes.id)
    .limit(ROWS)
    .offset(offset);
  const all = counts.reduce((sum, { count }) => sum + count, 0);
  const states = Object.fromEntries(counts.map(({ state, count }) => [state, count]));
  return { rows: rows.map(viewOf), matching, all, ...place, states };
}

/** What the audit log has of somebody or something, newest first. */
export async function eventsOf(tx: Queryable, subject: string) {
  const rows = await tx
    .select()
    .from(audit)
    .where(and(RECENT, eq(audit.subject, subject)))
    .orderBy(desc(audit.id))
    .limit(EVENTS);
  return rows.map((row) => ({ ...row, time: row.time.toISOString() }));
}
