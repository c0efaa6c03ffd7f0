/**
 * Removing a snapshot: first one decisive step, which needs no space and is on disk before anyone
 * is told; then the files, as soon as possible.
 */
import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { messageOf } from "../errors.ts";
import { sync } from "./durable.ts";
import { DELETED_FILE, METADATA_FILE } from "./manifest.ts";
import type { StoreState } from "./snapshots.ts";

/** From here on it stays deleted, even if the agent or the machine crashes. */
export async function markDeleted(directory: string): Promise<void> {
  const [before, after] = [METADATA_FILE, DELETED_FILE].map((name) => join(directory, name));
  await rename(before ?? "", after ?? "");
  try {
    await sync(directory);
  } catch (error) {
    await rename(after ?? "", before ?? "");
    throw error;
  }
}

export function wasDeleted(directory: string): boolean {
  return existsSync(join(directory, DELETED_FILE)) && !existsSync(join(directory, METADATA_FILE));
}

/**
 * Removes the files and frees the name; what cannot be removed keeps its name until the next start,
 * and is reported.
 */
export async function finishRemoval(
  { root, reserved, report }: StoreState,
  name: string,
): Promise<void> {
  const gone = join(root, `.gone-${randomUUID()}`);
  try {
    await rename(join(root, name), gone);
    reserved.delete(name);
    await rm(gone, { recursive: true, force: true });
  } catch (error) {
    report(name, `it was deleted, but its files could not be removed: ${messageOf(error)}`);
  }
}
