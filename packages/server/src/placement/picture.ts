/**
 * The fleet in memory, read from the store when it is asked for and a second old. The index of
 * verdicts only grows, and is read from where it was left.
 */
import { eq, gt } from "drizzle-orm";
import type { Picture, Times } from "../context.ts";
import { allPools, poolOf } from "../nodes/membership.ts";
import { SILENT, heldOf, stateAfter } from "../nodes/view.ts";
import { heldSnapshots, nodes, variants, verdicts } from "../store/schema.ts";
import type { Queryable, Store } from "../store/store.ts";
import { layOutFleet, type Fleet, type FleetNode } from "./fleet.ts";
import { openVerdictIndex, type GrowingIndex } from "./verdict-index.ts";

/** A heartbeat may be seen as late as this. */
const FRESH_MS = 1000;

async function readNodes(tx: Queryable, times: Times): Promise<FleetNode[]> {
  const pools = await allPools(tx);
  const rows = await tx
    .select({
      id: nodes.id,
      name: nodes.name,
      variant: nodes.variant,
      class: variants.class,
      labels: nodes.labels,
      held: nodes.held,
      pendingProfile: nodes.pendingProfile,
      cordoned: nodes.cordoned,
      capacity: nodes.capacity,
      silent: SILENT,
    })
    .from(nodes)
    .innerJoin(variants, eq(variants.id, nodes.variant))
    .orderBy(nodes.name);
  return rows.map(({ capacity, silent, ...row }) => ({
    id: row.id,
    name: row.name,
    variant: row.variant,
    class: row.class,
    labels: row.labels,
    pool: poolOf(row.labels, pools)?.name,
    state: stateAfter(silent, times),
    held: heldOf(row) !== null,
    cordoned: row.cordoned,
    freeSandboxes: Math.max(0, capacity.maxSandboxes - capacity.sandboxes),
    freeMemoryMib: Math.max(0, capacity.maxMemoryMib - capacity.memoryMib),
  }));
}

/** Reads what was added since a revision; returns the revision that was read. */
async function follow(tx: Queryable, index: GrowingIndex, from: number): Promise<number> {
  const rows = await tx
    .select({
      contract: verdicts.contract,
      variant: verdicts.variant,
      verdict: verdicts.verdict,
      revision: verdicts.revision,
    })
    .from(verdicts)
    .where(gt(verdicts.revision, from));
  index.set(rows);
  return rows.reduce((last, { revision }) => Math.max(last, revision), from);
}

export function openPicture({ db }: Pick<Store, "db">, times: Times): Picture {
  const index = openVerdictIndex();
  let revision = 0;
  let current: { readonly fleet: Fleet; readonly at: number } | undefined;
  let reading: Promise<Fleet> | undefined;
  /** Counts changes, so that a reading which began before one is not taken for current. */
  let changes = 0;

  const read = async (): Promise<Fleet> => {
    const [at, before] = [performance.now(), changes];
    const own = await readNodes(db, times);
    revision = await follow(db, index, revision);
    const held = await db
      .select({ digest: heldSnapshots.digest, node: heldSnapshots.node })
      .from(heldSnapshots);
    const strategies = new Map((await allPools(db)).map(({ name, strategy }) => [name, strategy]));
    const fleet = layOutFleet({
      nodes: own,
      index,
      held: held.map(({ digest, node }) => [digest, node] as const),
      strategies,
    });
    if (before === changes) current = { fleet, at };
    return fleet;
  };

  const now = async (): Promise<Fleet> => {
    if (current !== undefined && performance.now() - current.at < FRESH_MS) return current.fleet;
    if (reading !== undefined) {
      // One that began before a change may miss it.
      await reading.catch(() => undefined);
      return await now();
    }
    reading = read().finally(() => {
      reading = undefined;
    });
    return await reading;
  };

  return {
    now,
    changed: () => {
      changes += 1;
      current = undefined;
    },
  };
}
