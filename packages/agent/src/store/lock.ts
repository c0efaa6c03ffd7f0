/** One agent per data directory, whatever PID namespace it is in. */
import { closeSync, constants, fchmodSync, ftruncateSync, writeSync } from "node:fs";
import { lockDirectory, openPlainSync, readPlainSync } from "@evenkeel/host";
import { AgentError, messageOf } from "../errors.ts";

/** A pid and a line's end. */
const NOTE_LIMIT = 64;

/** A FIFO or a link in its place is left alone, and does not block. */
function write(note: string): void {
  const fd = openPlainSync(note, constants.O_WRONLY | constants.O_CREAT);
  try {
    fchmodSync(fd, 0o600);
    ftruncateSync(fd);
    writeSync(fd, `${process.pid}\n`);
  } finally {
    closeSync(fd);
  }
}

function holderOf(note: string): string {
  try {
    const pid = /^\d{1,10}/.exec(readPlainSync(note, NOTE_LIMIT).toString("utf8"))?.[0];
    return pid === undefined ? "" : ` (pid ${pid} in its own PID namespace)`;
  } catch {
    return "";
  }
}

/**
 * Locks a data directory; throws DATA_IN_USE. The kernel keeps the lock until this process exits or
 * the returned function is called. `note`: a file that tells people who has the lock.
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
    write(note);
  } catch {
    // A full disk: the note is only for people; the lock works without it.
  }
  return unlock;
}
