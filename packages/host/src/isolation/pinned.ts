/**
 * Sockets in a directory that the VMM can write to. A compromised VMM could put a symbolic link
 * there to a socket that only root may use. So the path is opened without following links, and the
 * connection is made to what was opened. This also avoids the limit of 107 bytes.
 */
import { closeSync, constants, fstatSync, openSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { HostError } from "../errors.ts";

/** open(2): a place in the file system, with neither read nor write. Node has no name for it. */
const O_PATH = 0o10000000;

interface Pinned {
  /** Valid until it is closed. */
  readonly path: string;
  /** May be called again. */
  readonly close: () => void;
}

/** Throws VMM_GONE if there is nothing, or something other than a socket. */
export function pinSocket(path: string): Pinned {
  let fd: number;
  try {
    fd = openSync(path, O_PATH | constants.O_NOFOLLOW);
  } catch (cause) {
    const { code = "" } = cause as NodeJS.ErrnoException;
    throw new HostError("VMM_GONE", `${path}: ${code}`, { cause });
  }
  if (fstatSync(fd).isSocket()) {
    let open = true;
    const close = () => {
      // The number may be somebody else's by now.
      if (open) closeSync(fd);
      open = false;
    };
    return { path: `/proc/self/fd/${fd}`, close };
  }
  closeSync(fd);
  throw new HostError("VMM_GONE", `${path} is not a socket`);
}

/** Connects to a socket, not to one that a link leads to. */
export function connectPinned(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const { path: place, close } = pinSocket(path);
    const socket = connect(place);
    socket.once("connect", () => {
      close();
      resolve(socket);
    });
    // Also after the caller has released it: an error without a listener would end the process.
    socket.on("error", (error) => {
      close();
      reject(error);
    });
  });
}
