/** filesystem.Filesystem: what is there, making, moving, removing, and watching it. */
import { watch, type FSWatcher } from "node:fs";
import { chown, mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { dirname, join } from "node:path";
import { randomBytes } from "node:crypto";
import { entryAt, type Entry } from "./entries.ts";
import { CallError } from "./errors.ts";
import { numberIn, textIn } from "./fields.ts";
import { pathFor, type User } from "./users.ts";
import { openStream, type Json } from "./wire.ts";

const DEEPEST = 32;
const MOST_ENTRIES = 100_000;
/** What is kept for a poller that does not come. */
const MOST_EVENTS = 10_000;
const MOST_WATCHERS = 256;

/** Makes what is missing of a directory, as the user's. */
export async function makeDirectory(path: string, { uid, gid }: User): Promise<boolean> {
  const first = await mkdir(path, { recursive: true });
  if (first === undefined) return false;
  if (process.getuid?.() === 0) {
    for (let at = path; at.length >= first.length; at = dirname(at)) await chown(at, uid, gid);
  }
  return true;
}

async function list(path: string, depth: number): Promise<Entry[]> {
  const found: Entry[] = [];
  const walk = async (directory: string, left: number) => {
    for (const name of (await readdir(directory)).toSorted()) {
      if (found.length >= MOST_ENTRIES) {
        throw new CallError("resource_exhausted", `there are more than ${MOST_ENTRIES} entries`);
      }
      // One that went meanwhile is not there.
      const entry = await entryAt(join(directory, name)).catch(() => undefined);
      if (entry === undefined) continue;
      found.push(entry);
      const isDirectory = entry.type === "FILE_TYPE_DIRECTORY" && !("symlinkTarget" in entry);
      if (isDirectory && left > 1) await walk(entry.path, left - 1);
    }
  };
  await walk(path, depth);
  return found;
}

interface WatchEvent {
  readonly name: string;
  readonly type: string;
  readonly entry?: Entry;
}

/** Tells of changes below a directory, until it is closed. Throws not_found, invalid_argument. */
async function watchBelow(
  path: string,
  message: Json,
  hear: (event: WatchEvent) => void,
): Promise<FSWatcher> {
  if (!(await stat(path)).isDirectory()) {
    throw new CallError("invalid_argument", `${path} is not a directory`);
  }
  const [recursive, withEntry] = [message["recursive"] === true, message["includeEntry"] === true];
  const known = new Set(
    recursive
      ? (await list(path, DEEPEST)).map((entry) => entry.path.slice(path.length + 1))
      : await readdir(path),
  );
  let last = Promise.resolve();
  const look = async (change: string, name: string) => {
    const entry = await entryAt(join(path, name)).catch(() => undefined);
    const isNew = !known.has(name);
    if (entry === undefined) {
      if (known.delete(name)) return hear({ name, type: "EVENT_TYPE_REMOVE" });
      // It came and went before it was looked at; another event tells of its end.
      if (change === "rename") {
        known.add(name);
        hear({ name, type: "EVENT_TYPE_CREATE" });
      }
      return undefined;
    }
    known.add(name);
    const type = isNew ? "CREATE" : change === "rename" ? "RENAME" : "WRITE";
    return hear({ name, type: `EVENT_TYPE_${type}`, ...(withEntry ? { entry } : {}) });
  };
  return watch(path, { recursive }, (change, name) => {
    // In the order in which they came.
    if (name !== null) last = last.then(async () => await look(change, name));
  });
}

/** Watchers whose events are kept until they are asked for. */
function openPolled(at: (user: User, message: Json) => string) {
  const polled = new Map<string, { readonly watcher: FSWatcher; events: WatchEvent[] }>();
  return {
    createWatcher: async (user: User, message: Json) => {
      if (polled.size >= MOST_WATCHERS) {
        throw new CallError("resource_exhausted", `there are ${MOST_WATCHERS} watchers`);
      }
      const watcherId = randomBytes(8).toString("hex");
      const events: WatchEvent[] = [];
      const watcher = await watchBelow(at(user, message), message, (event) => {
        const own = polled.get(watcherId)?.events ?? events;
        if (own.length < MOST_EVENTS) own.push(event);
      });
      watcher.on("error", () => undefined);
      polled.set(watcherId, { watcher, events });
      return { watcherId };
    },
    getWatcherEvents: (message: Json) => {
      const one = polled.get(textIn(message, "watcherId"));
      if (one === undefined) throw new CallError("not_found", "there is no such watcher");
      const { events } = one;
      one.events = [];
      return { events };
    },
    removeWatcher: (message: Json) => {
      const id = textIn(message, "watcherId");
      polled.get(id)?.watcher.close();
      if (polled.delete(id)) return {};
      throw new CallError("not_found", "there is no such watcher");
    },
  };
}

export function openFilesystem(workdir: () => string | undefined) {
  const at = (user: User, message: Json, name = "path") =>
    pathFor(user, textIn(message, name), workdir());
  return {
    stat: async (user: User, message: Json) => ({ entry: await entryAt(at(user, message)) }),
    makeDir: async (user: User, message: Json) => {
      const path = at(user, message);
      if (!(await makeDirectory(path, user))) {
        throw new CallError("already_exists", `${path} exists`);
      }
      return { entry: await entryAt(path) };
    },
    move: async (user: User, message: Json) => {
      const to = at(user, message, "destination");
      await makeDirectory(dirname(to), user);
      await rename(at(user, message, "source"), to);
      return { entry: await entryAt(to) };
    },
    listDir: async (user: User, message: Json) => {
      const depth = Math.min(Math.max(numberIn(message, "depth") ?? 1, 1), DEEPEST);
      return { entries: await list(at(user, message), depth) };
    },
    remove: async (user: User, message: Json) => {
      await rm(at(user, message), { recursive: true });
      return {};
    },
    watchDir: async (
      request: IncomingMessage,
      response: ServerResponse,
      user: User,
      message: Json,
    ) => {
      const early: WatchEvent[] = [];
      let hear = (event: WatchEvent) => void early.push(event);
      const watcher = await watchBelow(at(user, message), message, (event) => hear(event));
      const out = openStream(request, response, { keepalive: {} });
      out.send({ start: {} });
      hear = (filesystem) => void out.send({ filesystem });
      for (const event of early) hear(event);
      watcher.on("error", (error) => out.end(error));
      out.gone.addEventListener("abort", () => watcher.close());
    },
    ...openPolled(at),
  };
}
