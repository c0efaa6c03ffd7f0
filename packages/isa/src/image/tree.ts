/**
 * Directory trees. Symbolic links are not followed: what they lead to is met where it lies, if it
 * is in the tree, and so no cycle can catch the walk.
 */
import { opendir, open, statfs } from "node:fs/promises";
import { join } from "node:path";
import { startsAsCode } from "../scan/scan-file.ts";
import { found, skipped, type Found } from "./candidate.ts";
import { printable } from "./entry.ts";
import type { Limits } from "./limits.ts";

/** File systems whose files are made up as they are read. Source: linux/magic.h. */
const PSEUDO: ReadonlyMap<number, string> = new Map([
  [0x9fa0, "procfs"],
  [0x6265_6572, "sysfs"],
  [0x6462_6720, "debugfs"],
  [0x7472_6163, "tracefs"],
  [0x0027_e0eb, "cgroup"],
  [0x6367_7270, "cgroup2"],
]);

function reasonOf(error: unknown): string {
  const { code } = error as NodeJS.ErrnoException;
  return code === undefined ? String(error) : `cannot be read (${code})`;
}

/** Whether a regular file is machine code that was not met under another name. */
async function isWanted(path: string, seen: Set<string>): Promise<boolean> {
  const file = await open(path, "r");
  try {
    const { dev, ino, nlink } = await file.stat();
    if (nlink > 1) {
      // A file with several names is scanned under the first.
      const id = `${dev}:${ino}`;
      if (seen.has(id)) return false;
      seen.add(id);
    }
    return await startsAsCode(file);
  } finally {
    await file.close();
  }
}

async function* walk(directory: string): AsyncGenerator<{ path: string; error?: unknown }> {
  const pending = [directory];
  for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
    const directories: string[] = [];
    const files: string[] = [];
    try {
      const pseudo = PSEUDO.get((await statfs(at)).type);
      if (pseudo !== undefined) throw new Error(`on ${pseudo}: nothing to scan`);
      for await (const entry of await opendir(at)) {
        if (entry.isDirectory()) directories.push(join(at, entry.name));
        else if (entry.isFile()) files.push(join(at, entry.name));
      }
    } catch (error) {
      yield { path: at, error };
    }
    for (const path of files.toSorted()) yield { path };
    pending.push(...directories.toSorted().toReversed());
  }
}

export async function* findInTree(directory: string, limits: Limits): AsyncGenerator<Found> {
  const seen = new Set<string>();
  let count = 0;
  for await (const { path, error } of walk(directory)) {
    count += 1;
    if (count > limits.entries) {
      yield skipped(directory, `more than ${limits.entries} files: the rest is left out`, true);
      return;
    }
    const name = printable(path);
    if (error !== undefined) {
      yield skipped(name, reasonOf(error), path === directory);
      continue;
    }
    try {
      if (await isWanted(path, seen)) yield found(name, path, false);
    } catch (failure) {
      yield skipped(name, reasonOf(failure));
    }
  }
}
