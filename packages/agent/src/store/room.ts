/** Is there room for what is about to be written? */
import { statfs } from "node:fs/promises";
import { AgentError } from "../errors.ts";

export async function freeBytes(directory: string): Promise<number> {
  const { bavail, bsize } = await statfs(directory);
  return bavail * bsize;
}

/** Asked before a large write, so that a full disk does not first starve running guests. */
export async function requireRoom(directory: string, bytes: number, what: string): Promise<void> {
  const free = await freeBytes(directory);
  if (free >= bytes) return;
  const mib = (n: number) => `${Math.floor(n / 1024 / 1024)} MiB`;
  const message = `${what} needs ${mib(bytes)}, and ${mib(free)} are free in the data directory`;
  throw new AgentError("DISK_FULL", message);
}
