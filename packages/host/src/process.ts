/** Ending processes, and waiting for their end, by pid and start time. */
import { readdirSync, readlinkSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { isRunning } from "./proc.ts";

const POLL_MS = 20;

interface ProcessIdentity {
  readonly pid: number;
  readonly startTime: string;
}

/**
 * Settles when a process is gone, be it a child or not. A background watch does not keep the
 * program that watches alive.
 */
export async function untilGone(
  { pid, startTime }: ProcessIdentity,
  { background = false }: { readonly background?: boolean } = {},
): Promise<void> {
  while (isRunning(pid, startTime)) await sleep(POLL_MS, undefined, { ref: !background });
}

/** Kills a process if it is still the same one; one that is gone is no error. */
export function killProcess({ pid, startTime }: ProcessIdentity): void {
  if (!isRunning(pid, startTime)) return;
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

function worksWithin(pid: string, directory: string): boolean {
  try {
    return `${readlinkSync(`/proc/${pid}/cwd`)}/`.startsWith(`${directory}/`);
  } catch {
    // Gone already, or somebody else's.
    return false;
  }
}

/** Kills every process that works in a directory or below it: the last sweep of one's own corner. */
export function killWithin(directory: string): number[] {
  const own = String(process.pid);
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name) && name !== own);
  return pids.flatMap((pid) => {
    if (!worksWithin(pid, directory)) return [];
    try {
      process.kill(Number(pid), "SIGKILL");
      return [Number(pid)];
    } catch {
      return [];
    }
  });
}
