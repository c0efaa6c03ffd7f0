/**
 * Directory trees. Symbolic links are not followed: what they lead to is met where it lies, if it
 * is in the tree, and so no cycle can catch the walk.
 */
import { constants } from "node:fs";
import { opendir, open, statfs } from "node:fs/promises";
import { join } from "node:path";
import { skipped, unread, type Found } from "./candidate.ts";
import { findInFile, type Extraction } from "./entries.ts";
import { printable } from "./entry.ts";
import { headSize, isOfInterest } from "./magic.ts";

/** File systems whose files are made up as they are read. Source: linux/magic.h. */
const PSEUDO: ReadonlyMap<number, string> = new Map([
  [0x9fa0, "procfs"],
  [0x6265_6572, "sysfs"],
  [0x6462_6720, "debugfs"],
  [0x7472_6163, "tracefs"],
  [0x0027_e0eb, "cgroup"],
  [0x6367_7270, "cgroup2"],
]);

class MadeUp extends Error {}

function reasonOf(error: unknown): string {
  const { code } = error as NodeJS.ErrnoException;
  if (code !== undefined) return `cannot be read (${code})`;
  return error instanceof Error ? error.message : String(error);
}

/** A regular file's first bytes; undefined where it was met under another name. */
async function headOf(path: string, seen: Set<string>): Promise<Buffer | undefined> {
  // Between the listing and here it may have become a pipe, which would never open.
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const { dev, ino, nlink, size } = await file.stat();
    if (nlink > 1) {
      // A file with several names is scanned under the first.
      const id = `${dev}:${ino}`;
      if (seen.has(id)) return undefined;
      seen.add(id);
    }
    const head = Buffer.alloc(Math.min(size, headSize(size)));
    const { bytesRead } = await file.read(head, 0, head.length, 0);
    return head.subarray(0, bytesRead);
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
      if (pseudo !== undefined) throw new MadeUp(`on ${pseudo}: nothing to scan`);
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

/** How the user knows what is in a directory, and whether its files are copies to be removed. */
export interface TreeNames {
  readonly nameOf: (path: string) => string;
  readonly copies: boolean;
}

const OWN: TreeNames = { nameOf: printable, copies: false };

export async function* findInTree(
  directory: string,
  extraction: Extraction,
  { nameOf, copies }: TreeNames = OWN,
): AsyncGenerator<Found> {
  const { limits } = extraction;
  const seen = new Set<string>();
  let count = 0;
  for await (const { path, error } of walk(directory)) {
    count += 1;
    if (count > limits.entries) {
      yield unread(nameOf(directory), `more than ${limits.entries} files: the rest is left out`);
      return;
    }
    const name = nameOf(path);
    if (error instanceof MadeUp) yield skipped(name, error.message);
    else if (error !== undefined) yield unread(name, reasonOf(error));
    else {
      try {
        const head = await headOf(path, seen);
        if (head === undefined || !isOfInterest(head)) continue;
        yield* findInFile(name, path, head, extraction, copies);
      } catch (failure) {
        yield unread(name, reasonOf(failure));
      }
    }
  }
}
