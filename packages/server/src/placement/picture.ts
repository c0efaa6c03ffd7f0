/**
 * The fleet in memory. What other servers write is read when it is a second old, and of that only
 * what changed; what this server writes, before anybody asks again. Heartbeats that bring no news
 * are heard here, and written together.
 */
import type { Picture, Times } from "../context.ts";
import { messageOf } from "../errors.ts";
import type { Queryable, Store } from "../store/store.ts";
import { writeHeard } from "./heard.ts";
import { openLiveState, type LiveState } from "./live-fleet.ts";
import type { LiveNode } from "./live-nodes.ts";
import {
  BEGINNING,
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
const TRUSTED_MS = 5000;

/**
 * Reads what changed since the last reading. Everything is read before any of it is shown: one that
 * fails on its way leaves the picture as it was, and the next one begins where this one did.
 */
function openReader(db: Queryable, live: LiveState, index: ReturnType<typeof openVerdictIndex>) {
  let from = BEGINNING;
  let revision = 0;
  return async (): Promise<void> => {
    const { horizon, nodes: count } = await readHorizon(db);
    const pools = await readPools(db);
    const rows = await readNodes(db, from);
    const moved = rows.filter((row) => live.isMoved(row)).map(({ id }) => id);
    const held =
      moved.length === 0 ? [] : await readHeld(db, from === BEGINNING ? undefined : moved);
    revision = await followVerdicts(db, index, revision);
    const ids = new Set([...live.nodes.keys(), ...rows.map(({ id }) => id)]);
    // Nodes that are gone have no row that says so.
    const left = ids.size === count ? undefined : await readNodeIds(db);
    live.setPools(pools);
    for (const { silent, ...row } of rows) live.take(row, silent);
    live.held.set(moved, held);
    if (left !== undefined) live.keepOnly(left);
    from = horizon;
  };
}

/** One reading at a time, and none that began before what it is to show. */
function openRefresh(read: () => Promise<void>) {
  let readAt = -Infinity;
  let reading: Promise<void> | undefined;
  /** Changes of this server, and how many of them the last reading has seen. */
  let changes = 0;
  let seen = -1;
  const run = async () => {
    const before = changes;
    await read();
    [readAt, seen] = [performance.now(), before];
  };
  return {
    age: () => performance.now() - readAt,
    seen: () => seen,
    changed: () => {
      changes += 1;
      return changes;
    },
    /** Settles once all that was written by now is shown. */
    refresh: async (): Promise<void> => {
      const wanted = changes;
      const isShown = () => seen >= wanted && performance.now() - readAt < FRESH_MS;
      while (!isShown()) {
        if (reading !== undefined) {
          await reading.catch(() => undefined);
          continue;
        }
        reading = run().finally(() => {
          reading = undefined;
        });
        await reading;
        // What took longer than it may be old was current when it was asked for.
        if (seen >= wanted) return;
      }
    },
  };
}

/** Calls `work` each second, one at a time; what it returns ends that. */
function keepDoing(work: () => Promise<void>, report: (why: string) => void): () => void {
  let isBusy = false;
  const timer = setInterval(() => {
    if (isBusy) return;
    isBusy = true;
    work()
      .catch((error: unknown) => report(messageOf(error)))
      .finally(() => {
        isBusy = false;
      });
  }, FRESH_MS);
  timer.unref();
  return () => clearInterval(timer);
}

export function openPicture(
  { db }: Pick<Store, "db">,
  times: Times,
  report: (what: string, why: string) => void,
): Picture {
  const index = openVerdictIndex();
  const live = openLiveState(index, times);
  const reader = openRefresh(openReader(db, live, index));
  const heard = new Map<string, LiveNode>();
  /** Nodes that were written since the last reading, by the change that did. */
  const written = new Map<string, number>();
  /** The last change that may concern any node. */
  let lastOfAll = 0;
  let isAsked = false;

  const flush = async () => {
    const all = [...heard.values()];
    heard.clear();
    await writeHeard(db, all);
  };
  const stop = keepDoing(
    async () => {
      await flush();
      if (isAsked) await reader.refresh();
      isAsked = false;
    },
    (why) => report("the picture of the fleet", why),
  );

  return {
    now: async () => {
      await reader.refresh();
      return live.fleet();
    },
    changed: (node) => {
      const change = reader.changed();
      if (node === undefined) lastOfAll = change;
      else written.set(node, change);
    },
    node: (id) => {
      isAsked = true;
      const seen = reader.seen();
      if (reader.age() >= TRUSTED_MS || lastOfAll > seen) return undefined;
      const own = written.get(id) ?? 0;
      if (own > seen) return undefined;
      written.delete(id);
      return live.nodes.get(id);
    },
    heard: (node, capacity) => {
      node.capacity = capacity;
      node.heardAt = performance.now();
      node.state = "ready";
      heard.set(node.row.id, node);
      live.show(node);
    },
    guest: (snapshot) => live.held.guest(snapshot),
    hasContract: (digest) => index.has(digest),
    close: async () => {
      stop();
      await flush().catch((error: unknown) => report("heartbeats", messageOf(error)));
    },
  };
}
