/**
 * Files that someone else may have put there: opened only if they are regular files, never through
 * a symbolic link in the last component, and never read beyond a limit. A FIFO, a device or a link
 * is an error, not a blocked open or an endless read.
 */
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { open, type FileHandle } from "node:fs/promises";

const { O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants;
/** Without O_NONBLOCK, opening a FIFO would wait for its writer. */
const FLAGS = O_NOFOLLOW | O_NONBLOCK;

function notPlain(path: string): Error {
  return Object.assign(new Error(`${path}: not a regular file`), { code: "ENOTREG" });
}

/** `flags`: how to open it, besides; `O_RDONLY` by default. Throws what open(2) says, or ENOTREG. */
export function openPlainSync(path: string, flags: number = O_RDONLY): number {
  const fd = openSync(path, flags | FLAGS);
  if (fstatSync(fd).isFile()) return fd;
  closeSync(fd);
  throw notPlain(path);
}

export async function openPlain(path: string, flags: number = O_RDONLY): Promise<FileHandle> {
  const handle = await open(path, flags | FLAGS);
  try {
    if ((await handle.stat()).isFile()) return handle;
    throw notPlain(path);
  } catch (error) {
    await handle.close();
    throw error;
  }
}

function readAt(fd: number, start: number, length: number): Buffer {
  const buffer = Buffer.alloc(length);
  let filled = 0;
  while (filled < length) {
    const read = readSync(fd, buffer, filled, length - filled, start + filled);
    if (read === 0) break;
    filled += read;
  }
  return buffer.subarray(0, filled);
}

/** The whole file; throws ENOTREG, and EFBIG where it has more than `limit` bytes. */
export function readPlainSync(path: string, limit: number): Buffer {
  const fd = openPlainSync(path);
  try {
    // One byte more than allowed, whatever the size says: the file may be growing.
    const bytes = readAt(fd, 0, Math.min(fstatSync(fd).size, limit) + 1);
    if (bytes.length <= limit) return bytes;
    throw Object.assign(new Error(`${path}: more than ${limit} bytes`), { code: "EFBIG" });
  } finally {
    closeSync(fd);
  }
}

/** The last bytes of a file as text; empty where there is none that can be read. */
export function tailOf(path: string, bytes: number): string {
  try {
    const fd = openPlainSync(path);
    try {
      const { size } = fstatSync(fd);
      const start = Math.max(0, size - bytes);
      // A log that was truncated while its writer kept writing begins with a hole.
      return readAt(fd, start, size - start)
        .toString("utf8")
        .replaceAll("\0", "")
        .trim();
    } finally {
      closeSync(fd);
    }
  } catch {
    return "";
  }
}
