/**
 * Firecracker's jailer, of the same release: it puts Firecracker into a chroot, a mount, a PID and a
 * network namespace, gives it a user of its own, and is gone.
 * Source: Firecracker docs/jailer.md and src/jailer, v1.5.0 to v1.16.1.
 */
import { accessSync, closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { Cell } from "./cell.ts";

/** The jailer of a Firecracker: in the same directory. */
export function jailerOf(binary: string): string {
  return join(dirname(binary), "jailer");
}

export function hasJailer(binary: string): boolean {
  try {
    accessSync(jailerOf(binary), constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Where the jailer builds the jail with an id, below a base directory. */
export function jailRoot(base: string, execFile: string, id: string): string {
  return join(base, basename(execFile), id, "root");
}

/** The jailer's command line, for a jail that {@link jailRoot} names; `rest` is Firecracker's. */
export function jailerArguments(binary: string, cell: Cell, rest: readonly string[]): string[] {
  const { id, uid, namespace, rlimits, root } = cell;
  return [
    ["--id", id, "--exec-file", binary, "--uid", String(uid), "--gid", String(uid)],
    ["--chroot-base-dir", join(root, "../../..")],
    ["--netns", namespace, "--new-pid-ns"],
    [
      "--resource-limit",
      `fsize=${rlimits.fileSize}`,
      "--resource-limit",
      `no-file=${rlimits.files}`,
    ],
    ["--", ...rest],
  ].flat();
}

const PID_DIGITS = 10;

/**
 * The pid that the jailer wrote when it exited; undefined if there is none. Firecracker owns the
 * directory by then, so the caller must check whose process it is.
 */
export function writtenPid({ root }: Cell, binary: string): number | undefined {
  const path = join(root, `${basename(binary)}.pid`);
  try {
    const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      if (!fstatSync(fd).isFile()) return undefined;
      const buffer = Buffer.alloc(PID_DIGITS);
      const text = buffer.toString("latin1", 0, readSync(fd, buffer));
      return /^[1-9]\d*$/.test(text) ? Number(text) : undefined;
    } finally {
      closeSync(fd);
    }
  } catch {
    return undefined;
  }
}
