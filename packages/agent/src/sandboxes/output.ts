/**
 * Keeping what guests make their VMMs write from filling the disk: a console or a log over its
 * limit begins anew. Files that grow fast are looked at more often, so that what is on the disk
 * stays near the limit however fast a guest prints.
 */
import { constants, lstatSync } from "node:fs";
import { openPlain, type MicroVm } from "@evenkeel/host";

const OUTPUT_LIMIT = 4 * 1024 * 1024;
const TICK_MS = 250;
const FAST_TICK_MS = 20;
/** Bytes between two looks that make a file a fast one. */
const FAST = 256 * 1024;
const BLOCK = 512;

interface Watched {
  readonly path: string;
  size: number;
  cutting: boolean;
}

export interface Outputs {
  /** Watches a microVM's files until it is forgotten. */
  watch(vm: MicroVm): void;
  forget(vm: MicroVm): void;
  close(): void;
}

/** What a file takes on the disk: one whose writer does not append has a hole after a cut. */
function sizeOf(path: string): number {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  return stat === undefined ? 0 : Math.min(stat.size, stat.blocks * BLOCK);
}

async function cut(path: string): Promise<void> {
  const file = await openPlain(path, constants.O_WRONLY);
  try {
    await file.truncate(0);
  } finally {
    await file.close();
  }
}

/** `report` hears of a file that could not be cut. */
export function openOutputs(report: (path: string, error: unknown) => void): Outputs {
  const files = new Map<MicroVm, readonly Watched[]>();
  const fast = new Set<Watched>();

  function look(file: Watched): void {
    const size = sizeOf(file.path);
    if (size - file.size > FAST) fast.add(file);
    else fast.delete(file);
    file.size = size;
    if (size <= OUTPUT_LIMIT || file.cutting) return;
    file.cutting = true;
    file.size = 0;
    cut(file.path)
      .catch((error: unknown) => report(file.path, error))
      .finally(() => {
        file.cutting = false;
      });
  }

  const slow = setInterval(() => {
    for (const all of files.values()) for (const file of all) look(file);
  }, TICK_MS);
  const quick = setInterval(() => {
    for (const file of fast) look(file);
  }, FAST_TICK_MS);
  for (const timer of [slow, quick]) timer.unref();
  return {
    watch: (vm) => {
      const paths = [vm.console, ...(vm.logs ?? [])];
      const watched = paths.map((path) => ({ path, size: 0, cutting: false }));
      files.set(vm, watched);
    },
    forget: (vm) => {
      for (const file of files.get(vm) ?? []) fast.delete(file);
      files.delete(vm);
    },
    close: () => {
      clearInterval(slow);
      clearInterval(quick);
    },
  };
}
