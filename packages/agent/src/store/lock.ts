/** One agent per data directory, whatever PID namespace it is in. */
import { readFileSync, writeFileSync } from "node:fs";
import { lockDirectory } from "@evenkeel/host";
import { AgentError, messageOf } from "../errors.ts";

function holderOf(note: string): string {
  try {
    const pid = /^\d{1,10}/.exec(readFileSync(note, "utf8"))?.[0];
    return pid === undefined ? "" : ` (pid ${pid} in its own PID namespace)`;
  } catch {
    return "";
  }
}

/**
 * Takes a data directory; throws DATA_IN_USE. The kernel keeps the lock until this process ends or
 * the function that it returns is called. `note`: a file that tells people who has it.
 */
export async function lock(directory: string, note: string): Promise<() => void> {
  let unlock: (() => void) | undefined;
  try {
    unlock = await lockDirectory(directory);
  } catch (cause) {
    const message = `${directory} cannot be locked: ${messageOf(cause)}`;
    throw new AgentError("BAD_CONFIG", message, { cause });
  }
  if (unlock === undefined) {
    throw new AgentError("DATA_IN_USE", `${directory}: in use by another agent${holderOf(note)}`);
  }
  try {
    writeFileSync(note, `${process.pid}\n`, { mode: 0o600 });
  } catch {
    // A full disk: the note is for people, the lock holds without.
  }
  return unlock;
}
