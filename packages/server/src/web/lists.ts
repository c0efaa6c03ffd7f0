/** Lists of the pages, a page of rows at a time: the store searches, sorts and counts. */
import { and, desc, eq, ilike, inArray, or, sql, type SQL } from "drizzle-orm";
import type { FleetSandbox, NodeView, SandboxState } from "@evenkeel/api";
import type { Listed, SnapshotRow } from "@evenkeel/web";
import type { Context } from "../context.ts";
import { allPools, type PoolRow } from "../nodes/membership.ts";
import { listNodes, SILENT } from "../nodes/view.ts";
import { viewOf } from "../sandboxes/view.ts";
import { audit, heldSnapshots, nodes, profiles, sandboxes } from "../store/schema.ts";
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

/** What is no text in the store. */
function statesOf({ times }: Context): Readonly<Record<string, SQL>> {
  const { suspectSeconds, lostSeconds } = times;
  return {
    ready: sql`${SILENT} < ${suspectSeconds}`,
    suspect: sql`${SILENT} >= ${suspectSeconds} and ${SILENT} < ${lostSeconds}`,
    lost: sql`${SILENT} >= ${lostSeconds}`,
    held: sql`(${nodes.held} is not null or ${nodes.pendingProfile} is not null)`,
    cordoned: sql`${nodes.cordoned}`,
  };
}

function nodeCondition(
  context: Context,
  pools: readonly Pick<PoolRow, "name" | "selector">[],
  word: string,
): SQL | undefined {
  const states = statesOf(context);
  const state = Object.hasOwn(states, word) ? states[word] : undefined;
  const text = containing(word);
  const columns = [nodes.name, profiles.class, profiles.kernel];
  const labels = sql`exists (select 1 from jsonb_each_text(${nodes.labels}) as l (k, v)
    where l.k || '=' || l.v ilike ${text})`;
  const named = pools.filter(({ name }) => name.toLowerCase().includes(word));
  return or(
    ...columns.map((column) => ilike(column, text)),
    sql`${profiles.firecracker}::text ilike ${text}`,
    labels,
    ...named.map(({ selector }) => sql`${nodes.labels} @> ${JSON.stringify(selector)}::jsonb`),
    ...(state === undefined ? [] : [state]),
  );
}

export async function nodesPage(context: Context, asked: Asked): Promise<Listed<NodeView>> {
  const { db } = context.store;
  const pools = await allPools(db);
  const where = and(...wordsOf(asked.search).map((word) => nodeCondition(context, pools, word)));
  const counted = async (condition: SQL | undefined) => {
    const [row] = await db
      .select({ count: countOf(sql`count(*)`) })
      .from(nodes)
      .innerJoin(profiles, eq(profiles.digest, nodes.profile))
      .where(condition);
    return row?.count ?? 0;
  };
  const [all, matching] = [await counted(undefined), await counted(where)];
  const { offset, ...place } = paged(matching, asked.page);
  const shown = await db
    .select({ name: nodes.name })
    .from(nodes)
    .innerJoin(profiles, eq(profiles.digest, nodes.profile))
    .where(where)
    .orderBy(nodes.name)
    .limit(ROWS)
    .offset(offset);
  const names = shown.map(({ name }) => name);
  return { rows: await listNodes(context, db, names), matching, all, ...place };
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

/** Snapshots as rows, each once however many nodes hold it. */
async function snapshotRows(
  context: Context,
  where: SQL | undefined,
  offset: number,
): Promise<SnapshotRow[]> {
  const reach = reachIn(await context.picture.now());
  const name = sql<string>`min(${heldSnapshots.name})`;
  const rows = await context.store.db
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
  return rows.map(({ created, ...row }) => ({
    ...row,
    resumable: reach(row.contract).nodes,
    created: created.toISOString(),
  }));
}

export async function snapshotRow(
  context: Context,
  digest: string,
): Promise<SnapshotRow | undefined> {
  const [row] = await snapshotRows(context, eq(heldSnapshots.digest, digest), 0);
  return row;
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
  return { rows: await snapshotRows(context, where, offset), matching, all, ...place };
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
