/** Files that contain secrets. */
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { AgentError } from "@evenkeel/agent";

/** Tokens and keys have some hundred bytes. */
const LIMIT = 64 * 1024;
const OTHERS = 0o077;

function open(path: string): number {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (cause) {
    throw new AgentError("BAD_CONFIG", `${path}: ${(cause as Error).message}`, { cause });
  }
}

/**
 * The text of a file owned by this user or root and readable by its owner only; throws BAD_CONFIG.
 */
export function readSecret(path: string): string {
  const fd = open(path);
  try {
    const { mode, uid, size } = fstatSync(fd);
    const file = fstatSync(fd).isFile();
    const refuse = (why: string): never => {
      throw new AgentError("BAD_CONFIG", `${path}: ${why}`);
    };
    if (!file || size > LIMIT) refuse("not a regular file of a sensible size");
    if ((mode & OTHERS) !== 0) {
      refuse(`other users can read it (mode ${(mode & 0o777).toString(8)}): chmod 600 it`);
    }
    if (uid !== 0 && uid !== process.getuid?.()) refuse(`it belongs to user ${uid}`);
    const buffer = Buffer.alloc(size);
    return buffer.toString("utf8", 0, readSync(fd, buffer, 0, size, 0));
  } finally {
    closeSync(fd);
  }
}
