/** Ending a Firecracker whose record was lost. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { isRunning, startTimeOf } from "../proc.ts";
import { SOCKET } from "./process.ts";

/**
 * Whether a process is a Firecracker started in this directory: its working directory and its
 * socket are there.
 */
function runsIn(pid: number, directory: string): boolean {
  try {
    if (readlinkSync(`/proc/${pid}/cwd`) !== directory) return false;
    const args = readFileSync(`/proc/${pid}/cmdline`, "latin1").split("\0");
    return args[args.indexOf("--api-sock") + 1] === SOCKET;
  } catch {
    return false;
  }
}

function end(pid: number, startTime: string): void {
  if (isRunning(pid, startTime)) process.kill(pid, "SIGKILL");
}

/** Ends all of them in a directory, without symbolic links in its path; returns their pids. */
export function reap(directory: string): number[] {
  const pids = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => runsIn(pid, directory));
  for (const pid of pids) end(pid, startTimeOf(pid) ?? "");
  return pids;
}
