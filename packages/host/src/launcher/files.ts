/** A launcher's files: what is at a path, and putting an executable there in one step. */
import {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readSync,
  realpathSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
  utimesSync,
  writeSync,
} from "node:fs";
import { dirname, resolve } from "node:path";
import { HostError } from "../errors.ts";
import { readLauncher, type LauncherRecord } from "./script.ts";

/** Larger than any record, smaller than a Firecracker binary. */
const HEAD_SIZE = 8192;

export function realPath(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}

/** The record of the launcher at a path; undefined where something else is there, or nothing. */
export function launcherAt(path: string): LauncherRecord | undefined {
  let fd: number;
  try {
    fd = openSync(path, "r");
  } catch {
    return undefined;
  }
  try {
    const head = Buffer.alloc(HEAD_SIZE);
    const length = readSync(fd, head, 0, HEAD_SIZE, 0);
    return readLauncher(head.toString("utf8", 0, length));
  } finally {
    closeSync(fd);
  }
}

/** When a file's content changed last, in seconds; 0 where there is none. */
export function changedAt(path: string): number {
  return (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0) / 1000;
}

/**
 * File systems that other machines may have mounted as well: files for one node do not belong
 * there. E2B mounts Firecracker's versions from a bucket through FUSE. Source: statfs(2),
 * linux/magic.h.
 */
const SHARED: ReadonlySet<number> = new Set([
  0x6573_5546, // FUSE: gcsfuse, s3fs, virtiofs
  0x6969, // NFS
  0xff53_4d42, // CIFS
  0xfe53_4d42, // SMB2
  0x00c3_6400, // Ceph
  0x0102_1997, // 9P
  0x0bd0_0bd0, // Lustre
]);

/** Whether a directory, or its nearest existing parent, is on such a file system. */
export function isShared(directory: string): boolean {
  let there = resolve(directory);
  while (!existsSync(there) && there !== dirname(there)) there = dirname(there);
  return SHARED.has(statfsSync(there).type >>> 0);
}

/** Runs something that writes; its error names the path. */
export function writing<T>(path: string, write: () => T): T {
  try {
    return write();
  } catch (error) {
    if (error instanceof HostError) throw error;
    const { code = "", message } = error as NodeJS.ErrnoException;
    throw new HostError("LAUNCHER_WRITE_FAILED", `${path}: ${code || message}`, { cause: error });
  }
}

/**
 * Writes an executable under a temporary name, lets `check` try it, and renames it. Its time is not
 * earlier than `notBefore` (seconds): a launcher refuses a Firecracker that is newer than itself.
 */
export async function placeExecutable(
  path: string,
  text: string,
  notBefore: number,
  check: (temporary: string) => Promise<void>,
): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    writing(path, () => {
      const fd = openSync(temporary, "wx");
      try {
        writeSync(fd, text);
        fsyncSync(fd);
      } finally {
        closeSync(fd);
      }
      chmodSync(temporary, 0o755);
      const time = Math.max(Date.now() / 1000, notBefore);
      utimesSync(temporary, time, time);
    });
    await check(temporary);
    writing(path, () => renameSync(temporary, path));
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}
