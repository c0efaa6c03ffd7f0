/** `GET /v1/overview`: the fleet in numbers, and what is left of it if a class goes. */
import { and, eq, inArray, isNull, not, sql, type SQL } from "drizzle-orm";
import type { Overview } from "@evenkeel/api";
import type { Context } from "../context.ts";
import { SILENT } from "../nodes/view.ts";
import { contracts, heldSnapshots, nodes, profiles, variants } from "../store/schema.ts";
import type { Queryable } from "../store/store.ts";
import { countOf, jsonOf } from "./json.ts";
import { kindsOf, reachIn } from "./reach.ts";

/** Names of a sentence. */
const NAMES = 6;
/** Contracts whose snapshots are looked up for them. */
const MOST_CONTRACTS = 200;

interface Room {
  readonly sandboxes: number;
  readonly memoryMib: number;
}

function statesOf({ times }: Context) {
  const held = sql`(${nodes.held} is not null or ${nodes.pendingProfile} is not null)`;
  const lost = sql`${SILENT} >= ${times.lostSeconds}`;
  const suspect = sql`${SILENT} >= ${times.suspectSeconds} and not (${lost})`;
  const ready = sql`${SILENT} < ${times.suspectSeconds}`;
  const open = and(
    sql`not (${lost})`,
    isNull(nodes.held),
    isNull(nodes.pendingProfile),
    not(nodes.cordoned),
  );
  return { held, lost, suspect, ready, open: open ?? sql`true` };
}

async function classRows(context: Context, tx: Queryable) {
  const { held, lost, suspect, ready, open } = statesOf(context);
  const where = (state: SQL) => countOf(sql`count(*) filter (where ${state})`);
  const sum = (field: string, state: SQL) =>
    countOf(
      sql`coalesce(sum((${nodes.capacity}->>${sql.raw(`'${field}'`)})::float8) filter (where ${state}), 0)`,
    );
  return await tx
    .select({
      class: profiles.class,
      arch: sql<string>`min(${variants.arch})`,
      nodes: countOf(sql`count(*)`),
      kernels: jsonOf<(string | null)[]>(sql`jsonb_agg(distinct ${profiles.kernel})`),
      open: where(open),
      ready: where(ready),
      suspect: where(suspect),
      lost: where(lost),
      held: where(held),
      cordoned: where(sql`${nodes.cordoned}`),
      slots: sum("maxSandboxes", open),
      memory: sum("maxMemoryMib", open),
      usedSlots: sum("sandboxes", sql`true`),
      usedMemory: sum("memoryMib", sql`true`),
    })
    .from(nodes)
    .innerJoin(profiles, eq(profiles.digest, nodes.profile))
    .innerJoin(variants, eq(variants.id, nodes.variant))
    .groupBy(profiles.class)
    .orderBy(profiles.class);
}

type ClassRow = Awaited<ReturnType<typeof classRows>>[number];
type Numbers = {
  readonly [K in keyof ClassRow]: ClassRow[K] extends number ? K : never;
}[keyof ClassRow];

function total(rows: readonly ClassRow[], field: Numbers): number {
  return rows.reduce((sum, row) => sum + row[field], 0);
}

/** Names of snapshots of these contracts. */
async function namesOf(tx: Queryable, digests: readonly string[]): Promise<string[]> {
  if (digests.length === 0) return [];
  const rows = await tx
    .selectDistinct({ name: heldSnapshots.name })
    .from(heldSnapshots)
    .where(inArray(heldSnapshots.contract, digests.slice(0, MOST_CONTRACTS)))
    .orderBy(heldSnapshots.name)
    .limit(NAMES);
  return rows.map(({ name }) => name);
}

async function snapshotsByContract(tx: Queryable): Promise<Map<string, number>> {
  const rows = await tx
    .select({
      contract: heldSnapshots.contract,
      count: countOf(sql`count(distinct ${heldSnapshots.digest})`),
    })
    .from(heldSnapshots)
    .groupBy(heldSnapshots.contract);
  return new Map(rows.map(({ contract, count }) => [contract, count]));
}

type Fleet = Awaited<ReturnType<Context["picture"]["now"]>>;

/** How many snapshots each class resumes that no other does, and those that few or none resume. */
async function snapshotsOf(tx: Queryable, fleet: Fleet) {
  const reach = reachIn(fleet);
  const counts = await snapshotsByContract(tx);
  const alone = new Map<string, number>();
  const groups = { stranded: [] as string[], single: [] as string[], oneClass: [] as string[] };
  let all = 0;
  for (const [contract, count] of counts) {
    all += count;
    const { nodes: able, classes } = reach(contract);
    const [only, second] = classes;
    if (able === 0) groups.stranded.push(contract);
    if (able === 1) groups.single.push(contract);
    if (only === undefined || second !== undefined) continue;
    groups.oneClass.push(contract);
    alone.set(only, (alone.get(only) ?? 0) + count);
  }
  const named = async (digests: readonly string[]) => ({
    count: digests.reduce((sum, digest) => sum + (counts.get(digest) ?? 0), 0),
    names: await namesOf(tx, digests),
  });
  const snapshots = {
    all,
    stranded: await named(groups.stranded),
    single: await named(groups.single),
    oneClass: await named(groups.oneClass),
  };
  return { snapshots, alone };
}

function servedIn(fleet: Fleet): Map<string, number> {
  const served = new Map<string, number>();
  for (const { class: name, variant } of kindsOf(fleet)) {
    served.set(name, Math.max(served.get(name) ?? 0, fleet.index.served(variant)));
  }
  return served;
}

/** Classes by size, without what it takes to know what their loss would mean. */
export async function classSizes(context: Context) {
  const rows = await classRows(context, context.store.db);
  return rows.map(({ class: name, nodes: count, open, slots, memory }) => ({
    class: name,
    nodes: count,
    open,
    room: { sandboxes: slots, memoryMib: memory },
  }));
}

export async function countContracts(tx: Queryable): Promise<number> {
  const [count] = await tx.select({ contracts: countOf(sql`count(*)`) }).from(contracts);
  return count?.contracts ?? 0;
}

export async function overviewOf(context: Context): Promise<Overview> {
  const { db } = context.store;
  const fleet = await context.picture.now();
  const rows = await classRows(context, db);
  const { snapshots, alone } = await snapshotsOf(db, fleet);
  const served = servedIn(fleet);
  const used: Room = { sandboxes: total(rows, "usedSlots"), memoryMib: total(rows, "usedMemory") };
  const room: Room = { sandboxes: total(rows, "slots"), memoryMib: total(rows, "memory") };
  return {
    nodes: {
      all: total(rows, "nodes"),
      ready: total(rows, "ready"),
      suspect: total(rows, "suspect"),
      lost: total(rows, "lost"),
      held: total(rows, "held"),
      cordoned: total(rows, "cordoned"),
    },
    contracts: await countContracts(db),
    snapshots,
    used,
    room,
    classes: rows.map((row) => ({
      class: row.class,
      arch: row.arch,
      nodes: row.nodes,
      open: row.open,
      kernels: row.kernels.flatMap((kernel) => kernel ?? []),
      serves: served.get(row.class) ?? 0,
      room: { sandboxes: row.slots, memoryMib: row.memory },
      left: {
        sandboxes: room.sandboxes - row.slots - used.sandboxes,
        memoryMib: room.memoryMib - row.memory - used.memoryMib,
      },
      alone: alone.get(row.class) ?? 0,
    })),
  };
}
