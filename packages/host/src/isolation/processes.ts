/** Processes by their user: each slot has one that nobody else has. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { HostError } from "../errors.ts";

const POLL_MS = 2;
/** A killed process may take a while to free its memory. */
const END_MS = 30_000;

/** The real user id of a process; undefined where it is gone. */
function userOf(pid: string): number | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "latin1");
    const uid = /^Uid:\s+(\d+)/m.exec(status)?.[1];
    // A zombie has no files or memory.
    return uid === undefined || /^State:\s+[ZX]/m.test(status) ? undefined : Number(uid);
  } catch {
    return undefined;
  }
}

export function belongsTo(pid: number, uid: number): boolean {
  return userOf(String(pid)) === uid;
}

interface Owned {
  readonly pid: number;
  readonly uid: number;
}

/** One walk through /proc. */
function processesOf(isWanted: (uid: number) => boolean): Owned[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      const uid = userOf(name);
      return uid !== undefined && isWanted(uid) ? [{ pid: Number(name), uid }] : [];
    });
}

/** All processes whose user is one of a range. */
export function usersFrom(first: number, count: number): Owned[] {
  return processesOf((uid) => uid >= first && uid < first + count);
}

/** Identifies a file regardless of its name: one file may have many names. */
function fileAt(path: string): string | undefined {
  try {
    const { dev, ino } = statSync(path);
    return `${dev}:${ino}`;
  } catch {
    return undefined;
  }
}

/** The file that a process has as its standard output. */
export function outputOf(pid: number): string | undefined {
  return fileAt(`/proc/${pid}/fd/1`);
}

/** The files of a directory, regardless of their names; empty if there is no directory. */
export function filesIn(directory: string): string[] {
  try {
    return readdirSync(directory).flatMap((name) => fileAt(join(directory, name)) ?? []);
  } catch {
    return [];
  }
}

/**
 * Whether a process's standard output is a file in this directory, as a confined VMM's is, whatever
 * its working directory.
 */
export function writesInto(pid: number, directory: string): boolean {
  const output = outputOf(pid);
  return output !== undefined && filesIn(directory).includes(output);
}

/**
 * Kills all processes of these users and waits until they are gone; returns their pids. Throws
 * JAIL_FAILED.
 */
export async function endAllOf(...uids: readonly number[]): Promise<number[]> {
  const wanted = new Set(uids);
  const ended = new Set<number>();
  const deadline = performance.now() + END_MS;
  for (;;) {
    const there = processesOf((uid) => wanted.has(uid));
    if (there.length === 0) return [...ended];
    for (const { pid } of there) {
      ended.add(pid);
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // It exited by itself in between.
      }
    }
    if (performance.now() > deadline) {
      const pids = there.map(({ pid, uid }) => `${pid} of user ${uid}`).join(", ");
      throw new HostError("JAIL_FAILED", `processes that do not exit: ${pids}`);
    }
    await sleep(POLL_MS);
  }
}
