/**
 * Locks that the kernel keeps as long as a file is open in any process: they end with the last such
 * process, however it exits, and are visible across PID namespaces. flock(2).
 */
import { closeSync, constants, openSync } from "node:fs";
import { EAGAIN, errnoText, loadLibc } from "./kvm/libc.ts";

const LOCK_SH = 1;
const LOCK_EX = 2;
const LOCK_NB = 4;

async function flock(fd: number, operation: number): Promise<boolean> {
  const { result, errno } = (await loadLibc()).flock(fd, operation | LOCK_NB);
  if (result === 0) return true;
  if (errno === EAGAIN) return false;
  throw new Error(`flock: ${errnoText(errno)}`);
}

/**
 * Marks an open file as used, until the last process that inherited it has ended. Throws NO_FFI,
 * and where the file system has no locks.
 */
export async function markUsed(fd: number): Promise<void> {
  if (!(await flock(fd, LOCK_SH)))
    throw new Error("flock: another process has locked a new VMM's file");
}

/** Whether any process, visible from here or not, has a file open that was marked as used. */
export async function isUsed(path: string): Promise<boolean> {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
  try {
    return !(await flock(fd, LOCK_EX));
  } finally {
    closeSync(fd);
  }
}

/** A descriptor that was closed may be another file's by now. */
function onceOnly(run: () => void): () => void {
  let done = false;
  return () => {
    if (!done) run();
    done = true;
  };
}

/**
 * Locks a directory for this process; undefined if another process has it. The inode is locked, so
 * it does not matter what happens to the files in it. Returns a function that releases the lock.
 */
export async function lockDirectory(path: string): Promise<(() => void) | undefined> {
  const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    if (await flock(fd, LOCK_EX)) return onceOnly(() => closeSync(fd));
    closeSync(fd);
    return undefined;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}
