/**
 * Where a snapshot's files are, as the guard opens them. Without a jail, a path means the same to
 * Firecracker and to the guard: both have the same working directory. In a jail, Firecracker owns
 * directories, and a guest may have compromised it: it could put a link there that leads out of the
 * jail, and the guard is root. So each directory of the path is opened separately, starting at
 * Firecracker's own root, and links are refused.
 */
import { closeSync, constants, openSync } from "node:fs";

const { O_DIRECTORY, O_NOFOLLOW } = constants;
/** open(2): a place in the file system, with neither read nor write. Node has no name for it. */
const O_PATH = 0o10000000;
const FLAGS = O_PATH | O_DIRECTORY | O_NOFOLLOW;

/** The root of a jail, open as long as the guard runs. */
export interface JailRoot {
  readonly fd: number;
}

export interface Place {
  /** What to open; valid until it is closed. */
  readonly path: string;
  readonly close: () => void;
}

/** The root that a process has, through whatever mounts; throws where the process is gone. */
export function openJailRoot(pid: number): JailRoot {
  // The last component is the kernel's own link to the root, and is followed.
  return { fd: openSync(`/proc/${pid}/root/`, O_PATH | O_DIRECTORY) };
}

function enter(from: number, name: string, shown: string): number {
  try {
    return openSync(`/proc/self/fd/${from}/${name}`, FLAGS);
  } catch (cause) {
    const { code = "" } = cause as NodeJS.ErrnoException;
    const why = code === "ENOTDIR" || code === "ELOOP" ? "not a directory, or a link to one" : code;
    throw new Error(`${shown}: "${name}" is ${why}`, { cause });
  }
}

/**
 * The place of a file, which need not exist yet; the last component is not checked. Throws if a
 * directory of the path is missing or a link, or if the path has a form that nobody needs.
 */
export function placeOf(file: string, jail: JailRoot | undefined): Place {
  if (jail === undefined) return { path: file, close: () => undefined };
  const parts = file.split("/").filter((part) => part !== "" && part !== ".");
  const name = parts.pop();
  if (name === undefined || file.endsWith("/") || [...parts, name].includes("..")) {
    throw new Error(`${file}: not a plain path to a file in the jail`);
  }
  let at = openSync(`/proc/self/fd/${jail.fd}/`, O_PATH | O_DIRECTORY);
  try {
    for (const part of parts) {
      const next = enter(at, part, file);
      closeSync(at);
      at = next;
    }
  } catch (error) {
    closeSync(at);
    throw error;
  }
  return { path: `/proc/self/fd/${at}/${name}`, close: () => closeSync(at) };
}
