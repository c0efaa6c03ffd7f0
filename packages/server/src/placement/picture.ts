/**
 * The fleet in memory. What other servers write is read when it is a second old, and of that only
 * what changed; what this server writes, before anybody asks again. Heartbeats that bring no news
 * are heard here, and written together.
 */
import { sql } from "drizzle-orm";
import type { Capacity } from "@evenkeel/api";
import type { Picture, Times } from "../context.ts";
import { messageOf } from "../errors.ts";
import type { Store } from "../store/store.ts";
import { layOutLive, type Fleet, type LiveFleet } from "./fleet.ts";
import { openHolders } from "./holders.ts";
import { asFleetNode, stateOf, takeRow, type LiveNode, type LivePool } from "./live-nodes.ts";
import {
  followVerdicts,
  readHeld,
  readHorizon,
  readNodeIds,
  readNodes,
  readPools,
} from "./read.ts";
import { openVerdictIndex } from "./verdict-index.ts";

/** What another server wrote may be seen as late as this. */
const FRESH_MS = 1000;
/** Without a reading for so long, nodes are looked up in the store. */
const TRUSTED_MS = 3000;
/** How often nodes are looked at for whether they went silent. */
const AGE_MS = 100;

/** Where the next reading begins. */
interface Position {
  horizon: string;
  revision: number;
  /** As text, to be compared. */
  pools: string;
}

export function openPicture(
  { db }: Pick<Store, "db">,
  times: Times,
  report: (what: string, why: string) => void,
): Picture {
  const index = openVerdictIndex();
  const nodes = new Map<string, LiveNode>();
  const places = new Map<string, number>();
  const held = openHolders();
  const at: Position = { horizon: "0", revision: 0, pools: "" };
  let pools: readonly LivePool[] = [];
  let fleet: LiveFleet | undefined;
  let readAt = -Infinity;
  let agedAt = -Infinity;
  let reading: Promise<void> | undefined;
  /** Counts changes, so that a reading which began before one is not taken for current. */
  let changes = 0;
  let seen = -1;
  let asked = false;
  const dirty = new Map<string, LiveNode>();

  const holders: Fleet["holders"] = {
    get: (snapshot) =>
      held.nodes(snapshot).flatMap((id) => {
        const place = places.get(id);
        return place === undefined ? [] : [place];
      }),
  };
  const layOut = (): LiveFleet => {
    const sorted = [...nodes.values()].toSorted((a, b) => (a.row.name < b.row.name ? -1 : 1));
    places.clear();
    for (const [place, { row }] of sorted.entries()) places.set(row.id, place);
    const strategies = new Map(pools.map(({ name, strategy }) => [name, strategy]));
    return layOutLive({ nodes: sorted.map(asFleetNode), index, strategies }, holders);
  };
  const show = (node: LiveNode) => {
    const place = places.get(node.row.id);
    if (place !== undefined) fleet?.replace(place, asFleetNode(node));
  };
  /** Silence is no change of the store. */
  const age = () => {
    const now = performance.now();
    if (now - agedAt < AGE_MS) return;
    agedAt = now;
    for (const node of nodes.values()) {
      const state = stateOf(node, times);
      if (state === node.state) continue;
      node.state = state;
      show(node);
    }
  };

  /** Nodes that are gone have no row that says so. */
  const dropGone = async () => {
    const there = await readNodeIds(db);
    for (const [id] of nodes) {
      if (there.has(id)) continue;
      nodes.delete(id);
      held.set([id], []);
    }
    fleet = undefined;
  };
  const takeNodes = async (from: string): Promise<void> => {
    const moved: string[] = [];
    for (const { silent, ...row } of await readNodes(db, from)) {
      const known = nodes.get(row.id);
      if (known?.row.snapshots !== row.snapshots) moved.push(row.id);
      const isNew = known === undefined;
      const node = takeRow(known, row, silent, pools);
      node.state = stateOf(node, times);
      nodes.set(row.id, node);
      if (isNew) fleet = undefined;
      else show(node);
    }
    if (moved.length > 0) held.set(moved, await readHeld(db, from === "0" ? undefined : moved));
  };
  const read = async (): Promise<void> => {
    const before = changes;
    const { horizon, nodes: count } = await readHorizon(db);
    pools = await readPools(db);
    const text = JSON.stringify(pools);
    const isRegrouped = text !== at.pools;
    await takeNodes(at.horizon);
    if (isRegrouped) {
      for (const node of nodes.values()) takeRow(node, node.row, Infinity, pools);
      fleet = undefined;
    }
    if (nodes.size !== count) await dropGone();
    at.revision = await followVerdicts(db, index, at.revision);
    [at.horizon, at.pools] = [horizon, text];
    fleet ??= layOut();
    readAt = performance.now();
    seen = before;
  };
  const isCurrent = (milliseconds: number) =>
    seen === changes && performance.now() - readAt < milliseconds;

  const refresh = async (): Promise<void> => {
    while (!isCurrent(FRESH_MS)) {
      // One that began before a change may miss it.
      if (reading !== undefined) {
        await reading.catch(() => undefined);
        continue;
      }
      reading = read().finally(() => {
        reading = undefined;
      });
      await reading;
    }
  };

  const flush = async (): Promise<void> => {
    if (dirty.size === 0) return;
    const now = performance.now();
    const rows = [...dirty.values()].map(({ row, capacity, heardAt }) => ({
      i: row.id,
      a: Math.max(0, (now - heardAt) / 1000),
      c: capacity,
    }));
    dirty.clear();
    // What another transaction changes right now says of itself that it was heard.
    await db.execute(sql`
      with heard as (
        select i, a, c from json_to_recordset(${JSON.stringify(rows)}::json)
          as t (i text, a float8, c jsonb)
      ), free as (
        select id from nodes where id in (select i from heard) order by id for update skip locked
      )
      update nodes set seen = greatest(seen, now() - heard.a * interval '1 second'), capacity = heard.c
      from heard join free on free.id = heard.i where nodes.id = heard.i`);
  };
  let writing = false;
  const tick = async () => {
    if (writing) return;
    writing = true;
    try {
      await flush();
      if (asked) await refresh();
      asked = false;
    } catch (error) {
      report("the picture of the fleet", messageOf(error));
    } finally {
      writing = false;
    }
  };
  const timer = setInterval(() => void tick(), FRESH_MS);
  timer.unref();

  return {
    now: async () => {
      await refresh();
      age();
      fleet ??= layOut();
      return fleet;
    },
    changed: () => {
      changes += 1;
    },
    node: (id) => {
      asked = true;
      return isCurrent(TRUSTED_MS) ? nodes.get(id) : undefined;
    },
    heard: (node: LiveNode, capacity: Capacity) => {
      node.capacity = capacity;
      node.heardAt = performance.now();
      node.state = "ready";
      dirty.set(node.row.id, node);
      show(node);
    },
    guest: (snapshot) => held.guest(snapshot),
    hasContract: (digest) => index.has(digest),
    close: async () => {
      clearInterval(timer);
      await flush().catch((error: unknown) => report("heartbeats", messageOf(error)));
    },
  };
}
