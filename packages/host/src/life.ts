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
 * Processes that work in a directory or below, or have it as their root. Without symbolic links in
 * its path; only of this PID namespace and those below.
 */
export function pidsIn(directory: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => ["cwd", "root"].some((link) => leadsInto(`/proc/${pid}/${link}`, directory)))
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
  for (const name of names.filter((one) => one.endsWith(".log"))) {
    if (await isUsed(join(directory, name))) return true;
  }
  return pidsIn(directory).length > 0;
}
