/**
 * Sockets in a directory that its VMM may write to. A VMM that its guest has taken over could put a
 * symbolic link there, to a socket that only root may use: a path is opened without following
 * links, and what was opened is connected to. That also goes around the limit of 107 bytes.
 */
import { closeSync, constants, fstatSync, openSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { HostError } from "../errors.ts";

/** open(2): a place in the file system, with neither read nor write. Node has no name for it. */
const O_PATH = 0o10000000;

interface Pinned {
  /** Good until it is closed. */
  readonly path: string;
  /** May be called again. */
  readonly close: () => void;
}

/** Throws VMM_GONE where there is nothing, or something else than a socket. */
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
    // Also later, where the caller has let go of it: an error without a listener ends the process.
    socket.on("error", (error) => {
      close();
      reject(error);
    });
  });
}
