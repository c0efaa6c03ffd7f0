/** Processes that outlive the one that started them: known by pid and start time. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

/** Field numbers of /proc/PID/stat, counted from the field behind the command's name. */
const STATE_FIELD = 0;
const START_TIME_FIELD = 19;

const POLL_MS = 20;

/**
 * When a process started, in clock ticks since boot; undefined where it is gone or a zombie.
 * Source: proc_pid_stat(5), field 22. The name, field 2, may hold spaces and parentheses.
 */
export function startTimeOf(pid: number): string | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  } catch {
    return undefined;
  }
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields[STATE_FIELD] === "Z" ? undefined : fields[START_TIME_FIELD];
}

export interface ProcessIdentity {
  readonly pid: number;
  readonly startTime: string;
}

/** Whether it is still the same process: pids are used again. */
export function isAlive({ pid, startTime }: ProcessIdentity): boolean {
  return startTimeOf(pid) === startTime;
}

/**
 * Settles when a process is gone, be it a child or not. A background watch does not keep the
 * program that watches alive.
 */
export async function untilGone(
  identity: ProcessIdentity,
  { background = false }: { readonly background?: boolean } = {},
): Promise<void> {
  while (isAlive(identity)) await sleep(POLL_MS, undefined, { ref: !background });
}

/** Kills a process if it is still the same one; one that is gone is no error. */
export function killProcess(identity: ProcessIdentity): void {
  if (!isAlive(identity)) return;
  try {
    process.kill(identity.pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** Kills every process that works in a directory or below it: the last sweep of one's own corner. */
export function killWithin(directory: string): void {
  const pids = readdirSync("/proc").filter(
    (name) => /^\d+$/.test(name) && Number(name) !== process.pid,
  );
  for (const pid of pids) {
    try {
      if (!`${readlinkSync(`/proc/${pid}/cwd`)}/`.startsWith(`${directory}/`)) continue;
      process.kill(Number(pid), "SIGKILL");
    } catch {
      // Gone already, or somebody else's.
    }
  }
}
