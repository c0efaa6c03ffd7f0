/**
 * Keeps VMM output from filling the disk: a console or a log over its limit is truncated. Files
 * that grow fast are checked more often, so that they stay near the limit. Truncating takes time in
 * proportion to what was written. A serial port takes a byte per exit, a few MiB per second at
 * most, so a VMM that writes far more than that is broken and is killed. A pipe would be cheaper to
 * bound, but Firecracker logs an error for each byte that does not fit, and nobody would read it
 * while no agent runs.
 */
import { constants, lstatSync } from "node:fs";
import { openPlain, type MicroVm } from "@evenkeel/host";

const MIB = 1024 * 1024;
const OUTPUT_LIMIT = 4 * MIB;
const TICK_MS = 250;
const FAST_TICK_MS = 20;
/** A file that grows by this many bytes between two checks is a fast one. */
const FAST = 256 * 1024;
const BLOCK = 512;

/** Bytes per second that no guest can print. */
const RUNAWAY = 128 * MIB;
/** How long it is measured, in milliseconds. */
const RUNAWAY_MS = 200;

interface Watched {
  readonly path: string;
  size: number;
  cutting: boolean;
  /** Bytes written since a moment by the monotonic clock, in milliseconds. */
  written: number;
  since: number;
}

export interface Outputs {
  /** Watches a microVM's files until it is forgotten. */
  watch(vm: MicroVm): void;
  forget(vm: MicroVm): void;
  /** Why a microVM was killed; undefined if it was not, or is no longer watched. */
  ended(vm: MicroVm): string | undefined;
  close(): void;
}

/**
 * The space that a file takes on disk: if its writer does not append, it has a hole after
 * truncation.
 */
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

/** Existing content was written at an unknown speed, by a guest that no agent watched. */
function watched(path: string): Watched {
  return { path, size: sizeOf(path), cutting: false, written: 0, since: performance.now() };
}

/** Bytes per second, once they have been counted for long enough. */
function speedOf(file: Watched, more: number): number | undefined {
  file.written += more;
  const milliseconds = performance.now() - file.since;
  if (milliseconds < RUNAWAY_MS) return undefined;
  const speed = (file.written * 1000) / milliseconds;
  Object.assign(file, { written: 0, since: performance.now() });
  return speed;
}

/** `report` is told of a file that could not be truncated, and of a microVM that was killed. */
export function openOutputs(report: (path: string, why: unknown) => void): Outputs {
  const files = new Map<MicroVm, readonly Watched[]>();
  const fast = new Map<Watched, MicroVm>();
  const runaways = new WeakMap<MicroVm, string>();

  function end(vm: MicroVm, path: string, speed: number): void {
    const mib = Math.round(speed / MIB);
    const why = `it wrote ${mib} MiB per second to ${path}, which no guest can print`;
    runaways.set(vm, why);
    report(path, why);
    vm.kill().catch((error: unknown) => report(path, error));
  }

  function look(file: Watched, vm: MicroVm): void {
    const size = sizeOf(file.path);
    const more = Math.max(0, size - file.size);
    const speed = speedOf(file, more);
    if (speed !== undefined && speed > RUNAWAY && !runaways.has(vm)) end(vm, file.path, speed);
    if (more > FAST) fast.set(file, vm);
    else fast.delete(file);
    file.size = size;
    if (size <= OUTPUT_LIMIT || file.cutting) return;
    file.cutting = true;
    cut(file.path)
      .catch((error: unknown) => report(`${file.path} could not be truncated`, error))
      .finally(() => {
        Object.assign(file, { cutting: false, size: 0 });
      });
  }

  const slow = setInterval(() => {
    for (const [vm, all] of files) for (const file of all) look(file, vm);
  }, TICK_MS);
  const quick = setInterval(() => {
    for (const [file, vm] of fast) look(file, vm);
  }, FAST_TICK_MS);
  for (const timer of [slow, quick]) timer.unref();
  return {
    watch: (vm) => void files.set(vm, [vm.console, ...(vm.logs ?? [])].map(watched)),
    forget: (vm) => {
      for (const file of files.get(vm) ?? []) fast.delete(file);
      files.delete(vm);
    },
    ended: (vm) => runaways.get(vm),
    close: () => {
      clearInterval(slow);
      clearInterval(quick);
    },
  };
}
