/** Is there room for what is about to be written? */
import { statfs } from "node:fs/promises";
import { AgentError } from "../errors.ts";

export async function freeBytes(directory: string): Promise<number> {
  const { bavail, bsize } = await statfs(directory);
  return bavail * bsize;
}

export interface Room {
  /**
   * Call this before a large write, so that running guests are not the first to hit a full disk.
   * Throws DISK_FULL. Reserves the space until the returned function is called.
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
