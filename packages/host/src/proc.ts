/** Processes that are not our children, by /proc. */
import { readFileSync } from "node:fs";

/** Fields of /proc/PID/stat after the command's name, which may hold spaces and brackets. */
function statFields(pid: number): readonly string[] | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    return text.slice(text.lastIndexOf(")") + 2).split(" ");
  } catch {
    return undefined;
  }
}

/** proc(5): field 3 is the state, field 22 the start time; the first one here is field 3. */
const STATE = 0;
const START_TIME = 19;

/** When a process started, in clock ticks since boot; undefined where there is none. */
export function startTimeOf(pid: number): string | undefined {
  return statFields(pid)?.[START_TIME];
}

/**
 * Whether this very process is running: its pid may have been reused, and a zombie is not running.
 */
export function isRunning(pid: number, startTime: string): boolean {
  const fields = statFields(pid);
  return fields?.[START_TIME] === startTime && fields[STATE] !== "Z" && fields[STATE] !== "X";
}
