/** Is there room for what is about to be written? */
import { statfs } from "node:fs/promises";
import { AgentError } from "../errors.ts";

export async function freeBytes(directory: string): Promise<number> {
  const { bavail, bsize } = await statfs(directory);
  return bavail * bsize;
}

export interface Room {
  /**
   * Asked before a large write, so that a full disk does not first starve running guests. Throws
   * DISK_FULL. Others count on what is left until the function that it returns is called.
   */
  reserve(bytes: number, what: string): Promise<() => void>;
}

export function openRoom(directory: string): Room {
  let reserved = 0;
  return {
    reserve: async (bytes, what) => {
      const free = (await freeBytes(directory)) - reserved;
      if (free < bytes) {
        const mib = (n: number) => `${Math.floor(Math.max(0, n) / 1024 / 1024)} MiB`;
        const message = `${what} needs ${mib(bytes)}, but only ${mib(free)} are free in the data directory`;
        throw new AgentError("DISK_FULL", message);
      }
      reserved += bytes;
      let held = true;
      return () => {
        if (held) reserved -= bytes;
        held = false;
      };
    },
  };
}
