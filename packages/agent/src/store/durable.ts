/** Writing so that a reader, now or after a crash, finds a file complete or not at all. */
import { closeSync, constants, renameSync, rmSync, writeFileSync } from "node:fs";
import { copyFile, open, readdir, rename } from "node:fs/promises";
import { dirname, join } from "node:path";
import { openPlainSync } from "@evenkeel/host";

/**
 * Replaces a small file at once. Not synced: it outlives the process, which is what records of
 * running microVMs need; a crash of the machine ends the microVMs too.
 */
export function replaceFile(path: string, text: string): void {
  const temporary = `${path}.tmp`;
  try {
    writeFileSync(temporary, text, { mode: 0o600 });
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

/** Flushes a file, or a directory's entries, to the disk. */
export async function sync(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function syncTree(directory: string): Promise<void> {
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) await syncTree(path);
    else await sync(path);
  }
  await sync(directory);
}

/** Renames a finished directory to its name, durably. */
export async function publish(staged: string, place: string): Promise<void> {
  await syncTree(staged);
  await rename(staged, place);
  await sync(dirname(place));
}

/**
 * Copies a regular file, as a reflink if the file system can: ioctl_ficlone(2). A FIFO would block
 * one of the few copying threads forever.
 */
export async function clone(from: string, to: string): Promise<void> {
  const fd = openPlainSync(from);
  try {
    const source = `/proc/self/fd/${fd}`;
    await copyFile(source, to, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL);
  } finally {
    closeSync(fd);
  }
}
