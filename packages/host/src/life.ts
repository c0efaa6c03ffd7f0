/** What lives in a microVM's directory, whatever records say. */
import { readdirSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { isUsed } from "./lock.ts";
import { isRunning, startTimeOf } from "./proc.ts";

function leadsInto(link: string, directory: string): boolean {
  try {
    return `${readlinkSync(link)}/`.startsWith(`${directory}/`);
  } catch {
    // Gone already, or somebody else's.
    return false;
  }
}

/**
 * Whether a process works in a directory or below, or has it as its root. Without symbolic links in
 * its path.
 */
export function worksIn(pid: number | string, directory: string): boolean {
  return ["cwd", "root"].some((link) => leadsInto(`/proc/${pid}/${link}`, directory));
}

/** Those of this PID namespace and the ones below it; each look at /proc takes its time. */
export function pidsIn(directory: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => worksIn(pid, directory))
    .map(Number)
    .filter((pid) => isRunning(pid, startTimeOf(pid) ?? ""));
}

/**
 * Whether any process uses a microVM's directory, be it in another PID namespace: its VMM has the
 * console or a log there open, which were marked as used when it started.
 */
export async function inUse(directory: string): Promise<boolean> {
  let names: string[];
  try {
    names = readdirSync(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
  const logs = names.filter((name) => name.endsWith(".log"));
  for (const name of logs) {
    if (await isUsed(join(directory, name))) return true;
  }
  // Without logs, nothing was started here, or they were taken away.
  return logs.length === 0 && pidsIn(directory).length > 0;
}
