/** A temporary folder for files that were inside images, under names that are numbers. */
import { mkdtempSync, rmSync } from "node:fs";
import { open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ImageError, sizeText, type Limits } from "./limits.ts";
import type { Pull } from "./pull.ts";

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

/**
 * Copies `size` bytes, or all there are, to a file of the workspace; `head` was taken already.
 * Throws {@link ImageError} where they are too many or not all there.
 */
export async function copyOut(
  pull: Pull,
  head: Buffer,
  size: number | undefined,
  workspace: Workspace,
  limits: Limits,
): Promise<string> {
  const limit = size === undefined ? limits.expanded : limits.file;
  if (size !== undefined && size > limit) {
    throw new ImageError(`a file of ${sizeText(size)}: the limit is ${sizeText(limit)}`);
  }
  const path = workspace.next();
  const file = await open(path, "wx", 0o600);
  try {
    await file.write(head);
    for (let left = (size ?? Infinity) - head.length; left > 0;) {
      const bytes = await pull.take(Math.min(left, CHUNK));
      if (bytes.length === 0) {
        if (size === undefined) break;
        throw new ImageError(`cut short at byte ${pull.position()}`);
      }
      await file.write(bytes);
      left -= bytes.length;
    }
  } finally {
    await file.close();
  }
  return path;
}
