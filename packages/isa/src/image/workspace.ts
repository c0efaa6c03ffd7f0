/** A temporary folder for files that were inside images, under names that are numbers. */
import { mkdtempSync, rmSync } from "node:fs";
import { open, rm, type FileHandle } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ImageError, sizeText, type Budget, type Limits } from "./limits.ts";
import type { Pull } from "./pull.ts";

/** Where copies go, and what they may cost. */
export interface CopyTo {
  readonly workspace: Workspace;
  readonly limits: Limits;
  readonly budget: Budget;
}

export function tooLarge(size: number, { file }: Limits): string {
  return `a file of ${sizeText(size)}: the limit is ${sizeText(file)}`;
}

export interface Workspace {
  /** A path in the folder that was not given before. */
  next(): string;
  /** Removes the folder. May be called again. */
  remove(): Promise<void>;
}

const PREFIX = "evenkeel-scan-";
/** Folders to remove when a signal ends the process. */
const active = new Set<string>();

function removeAll(): void {
  for (const directory of active) rmSync(directory, { recursive: true, force: true });
}

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Cleans up, then lets the signal end the process as if nobody had listened. */
function onSignal(signal: NodeJS.Signals): void {
  removeAll();
  stopListening();
  process.kill(process.pid, signal);
}

function stopListening(): void {
  for (const signal of SIGNALS) process.removeListener(signal, onSignal);
}

export function openWorkspace(parent = tmpdir()): Workspace {
  if (active.size === 0) for (const signal of SIGNALS) process.on(signal, onSignal);
  // At once, so that no signal comes between the folder and the note of it.
  const directory = mkdtempSync(join(parent, PREFIX));
  active.add(directory);
  let count = 0;
  return {
    next() {
      count += 1;
      return join(directory, String(count));
    },
    async remove() {
      await rm(directory, { recursive: true, force: true });
      active.delete(directory);
      if (active.size === 0) stopListening();
    },
  };
}

const CHUNK = 1024 * 1024;
/** Runs of zeros are left out of copies from this length on: a disk's page. */
const HOLE = 4096;
const ZEROS = Buffer.alloc(CHUNK);

function isZero(bytes: Buffer): boolean {
  return ZEROS.subarray(0, bytes.length).equals(bytes);
}

/** Writes everything but pages of zeros; returns how many bytes were written. */
async function writeSparse(file: FileHandle, bytes: Buffer, at: number): Promise<number> {
  if (isZero(bytes)) return 0;
  let written = 0;
  for (let from = 0; from < bytes.length;) {
    let to = from;
    while (to < bytes.length && !isZero(bytes.subarray(to, to + HOLE))) to += HOLE;
    const data = bytes.subarray(from, to);
    if (data.length > 0) await file.write(data, 0, data.length, at + from);
    written += data.length;
    from = Math.max(to, from) + HOLE;
  }
  return written;
}

/**
 * Copies `size` bytes, or all there are, to a file of the workspace; `head` was taken already.
 * Zeros take no room. Throws {@link ImageError} where they are too many or not all there.
 */
export async function copyOut(
  pull: Pull,
  head: Buffer,
  size: number | undefined,
  { workspace, limits, budget }: CopyTo,
): Promise<string> {
  if (size !== undefined && size > limits.file) throw new ImageError(tooLarge(size, limits));
  const path = workspace.next();
  const file = await open(path, "wx", 0o600);
  try {
    let at = 0;
    const put = async (bytes: Buffer) => {
      budget.spend(await writeSparse(file, bytes, at));
      at += bytes.length;
    };
    await put(head);
    while (at < (size ?? Infinity)) {
      const hole = pull.hole?.() ?? 0;
      if (hole > 0) {
        await pull.skip(hole);
        at += hole;
        continue;
      }
      const bytes = await pull.take(Math.min((size ?? Infinity) - at, CHUNK));
      if (bytes.length === 0) {
        if (size === undefined) break;
        throw new ImageError(`cut short at byte ${pull.position()}`);
      }
      await put(bytes);
    }
    await file.truncate(at);
  } finally {
    await file.close();
  }
  return path;
}
