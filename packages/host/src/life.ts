/** What is running in a microVM's directory, whatever records say. */
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
 * Whether a process has its working directory in or below a directory, or has it as its root. The
 * path must not contain symbolic links.
 */
export function worksIn(pid: number | string, directory: string): boolean {
  return ["cwd", "root"].some((link) => leadsInto(`/proc/${pid}/${link}`, directory));
}

/** Those of this PID namespace and the ones below it; each walk through /proc takes time. */
export function pidsIn(directory: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => worksIn(pid, directory))
    .map(Number)
    .filter((pid) => isRunning(pid, startTimeOf(pid) ?? ""));
}

/**
 * Whether any process uses a microVM's directory, even in another PID namespace: its VMM has the
 * console or a log there open, which were locked when it started.
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
  // Without logs, nothing was started here, or the logs were removed.
  return logs.length === 0 && pidsIn(directory).length > 0;
}
