/**
 * A confined VMM's own directory. The VMM owns it, and a guest may have compromised the VMM:
 * nothing in it is read by name, written through a name, or chowned. Files that the agent needs
 * later have a name outside the jail; the jail has hard links to them.
 */
import { chmodSync, chownSync, closeSync, constants, fstatSync, linkSync } from "node:fs";
import { lstatSync, mkdirSync, openSync, unlinkSync } from "node:fs";
import { copyFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { HostError } from "../errors.ts";
import { runTool } from "../network/run.ts";

/** Directories in a jail; owned by root, so that the VMM cannot change their entries. */
const DIRECTORIES = ["disks", "snapshot", "taken"] as const;

export type JailDirectory = (typeof DIRECTORIES)[number];

export interface Jail {
  /** What the VMM sees as `/`, or works in. */
  readonly root: string;
  /** User and group of the VMM. */
  readonly uid: number;
}

const O_PATH = 0o10000000;
/** World-readable, but only root can traverse the directories above. */
const READ_ONLY = 0o444;

/** Makes an empty jail. Throws JAIL_FAILED if one already exists. */
export function makeJail({ root, uid }: Jail): void {
  try {
    mkdirSync(besideJail({ root }), { recursive: true, mode: 0o700 });
    mkdirSync(root, { mode: 0o700 });
    for (const name of DIRECTORIES) {
      mkdirSync(join(root, name), { mode: 0o755 });
      chmodSync(join(root, name), 0o755);
    }
    chownSync(root, uid, uid);
  } catch (cause) {
    const { code = "" } = cause as NodeJS.ErrnoException;
    throw new HostError("JAIL_FAILED", `${root}: ${code}`, { cause });
  }
}

/**
 * Call this only after the VMM and all its processes have exited. A deep tree is too much for
 * Node's own removal.
 */
export async function removeJail({ root }: Pick<Jail, "root">): Promise<void> {
  try {
    await rm(besideJail({ root }), { recursive: true, force: true });
  } catch {
    await runTool(
      ["rm", "-rf", "--one-file-system", "--", besideJail({ root })],
      "",
      "JAIL_FAILED",
    );
  }
}

/** A path to the directory that the agent made, whatever its name leads to by now. */
function held<T>({ root }: Jail, name: JailDirectory, use: (path: string) => T): T {
  let fd: number;
  const flags = O_PATH | constants.O_NOFOLLOW | constants.O_DIRECTORY;
  try {
    fd = openSync(join(root, name), flags);
  } catch (cause) {
    throw new HostError("JAIL_FAILED", `${join(root, name)} has changed`, { cause });
  }
  try {
    // The VMM can make directories, but not ones owned by root.
    if (fstatSync(fd).uid === 0) return use(`/proc/self/fd/${fd}`);
    throw new HostError("JAIL_FAILED", `${join(root, name)} has changed`);
  } finally {
    closeSync(fd);
  }
}

function linkInto(jail: Jail, source: string, directory: JailDirectory, name: string): void {
  held(jail, directory, (path) => linkSync(source, join(path, name)));
}

function isReadable(path: string): boolean {
  const { mode } = lstatSync(path);
  return (mode & constants.S_IFMT) === constants.S_IFREG && (mode & 0o004) !== 0;
}

/** Links in a file that the VMM may read; it belongs to the agent, so its mode may be changed. */
export function giveOwn(jail: Jail, source: string, directory: JailDirectory, name: string): void {
  chownSync(source, 0, 0);
  chmodSync(source, READ_ONLY);
  linkInto(jail, source, directory, name);
}

/**
 * Links in a file that the VMM may write to; the VMM becomes its owner. Throws JAIL_FAILED for a
 * file with another hard link, because someone else uses it too.
 */
export function giveWritable(
  jail: Jail,
  source: string,
  directory: JailDirectory,
  name: string,
): void {
  if (lstatSync(source).nlink !== 1) {
    throw new HostError("JAIL_FAILED", `${source} is shared and must not be written to`);
  }
  chownSync(source, jail.uid, jail.uid);
  chmodSync(source, 0o600);
  linkInto(jail, source, directory, name);
}

/** Removes a hard link to a file. */
export function takeBack(jail: Jail, directory: JailDirectory, name: string): void {
  held(jail, directory, (path) => unlinkSync(join(path, name)));
}

/**
 * Puts in an operator's file, such as a kernel, before the VMM starts: a hard link if the file is
 * on this file system and world-readable, else a copy.
 */
export async function giveForeign(jail: Jail, source: string, name: string): Promise<void> {
  const place = join(jail.root, "snapshot", name);
  try {
    if (isReadable(source)) return linkSync(source, place);
  } catch {
    // On another file system, or one without links.
  }
  try {
    await copyFile(source, place, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL);
    chownSync(place, 0, 0);
    return chmodSync(place, READ_ONLY);
  } catch (cause) {
    const { code = "" } = cause as NodeJS.ErrnoException;
    throw new HostError("JAIL_FAILED", `${source}: ${code}`, { cause });
  }
}

/** The directory that contains the jail, owned by root. */
export function besideJail({ root }: Pick<Jail, "root">): string {
  return join(root, "..");
}

/**
 * A hard link, beside the jail, to a log that the VMM will have open: while it is open, the slot is
 * in use, even if the process cannot be seen.
 */
export function markSlot(jail: Jail, directory: string, log: string): void {
  const beside = besideJail(jail);
  const path = join(directory, log);
  closeSync(openSync(path, "a", 0o600));
  if (directory !== beside) linkSync(path, join(beside, log));
}

/** A file in the jail's directory that the agent reads by its name outside: a log or a console. */
export function giveLog(jail: Jail, source: string, name: string): void {
  chownSync(source, jail.uid, jail.uid);
  linkSync(source, join(jail.root, name));
}
