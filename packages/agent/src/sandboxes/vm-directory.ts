/** The directory of one microVM: its disks, and what the VMM keeps there. */
import { copyFileSync, existsSync, mkdirSync } from "node:fs";
import { link, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { SnapshotMetadata } from "@evenkeel/api";
import { contractToJson, prettyJson, type CpuContract } from "@evenkeel/core";
import type { Drive, Vsock } from "@evenkeel/host";
import type { Context } from "./context.ts";
import { clone } from "../store/durable.ts";
import { requireUnused } from "./find-vm.ts";
import { CONTRACT_FILE } from "../store/manifest.ts";
import { diskPath, type Snapshot } from "../store/snapshot-files.ts";

type Disk = SnapshotMetadata["disks"][number];

/** A disk with the file that its contents come from. */
export interface DiskSource extends Disk {
  readonly source: string;
  /** In one of the agent's directories, where nobody writes to read-only files. */
  readonly own: boolean;
}

/** The guest's context id: any works, since each microVM has a vsock of its own. */
const GUEST_CID = 3;

/** Where a guest's vsock is, within its microVM's directory. */
export function vsockPath(directory: string): string {
  return join(directory, "vsock.sock");
}

export function vsockOf(directory: string): Vsock {
  return { cid: GUEST_CID, path: vsockPath(directory) };
}

/**
 * In the microVM's directory, where a driver names files relative to it: a snapshot finds its own
 * disks in whatever directory it is resumed.
 */
export function drivesOf(directory: string, disks: readonly Disk[]): Drive[] {
  return disks.map(({ id, readOnly, root }) => {
    return { id, path: diskPath(directory, id), readOnly, root };
  });
}

export function sourcesIn(directory: string, disks: readonly Disk[]): DiskSource[] {
  return disks.map((disk) => ({ ...disk, source: diskPath(directory, disk.id), own: true }));
}

/**
 * Puts disks into a directory: copies, or hard links for read-only disks. An operator's image is
 * always copied, because rebuilding it may reuse the same file.
 */
export async function placeDisks(
  { snapshots }: Context,
  disks: readonly DiskSource[],
  directory: string,
): Promise<void> {
  for (const { id, source, readOnly, own } of disks) {
    const place = diskPath(directory, id);
    if (readOnly && own) await link(source, place);
    else await snapshots.heavy(() => clone(source, place));
  }
}

/**
 * Keeps the running guest's contract in its directory: its snapshot may be deleted meanwhile. A
 * copy, so that damage to one file does not affect the other.
 */
async function keepContract(directory: string, of: Snapshot | CpuContract): Promise<void> {
  const place = join(directory, CONTRACT_FILE);
  if ("metadata" in of) copyFileSync(join(of.directory, CONTRACT_FILE), place);
  else await writeFile(place, prettyJson(contractToJson(of)));
}

/**
 * Waits for all, even if one fails: the others would still write to a directory that is being
 * removed.
 */
async function all(...work: readonly Promise<void>[]): Promise<void> {
  for (const result of await Promise.allSettled(work)) {
    if (result.status === "rejected") throw result.reason;
  }
}

/** Makes the directory with its disks and the guest's contract, and returns it. */
export async function makeVmDirectory(
  context: Context,
  id: string,
  disks: readonly DiskSource[],
  of: Snapshot | CpuContract,
): Promise<string> {
  const directory = context.paths.vm(id);
  // Removes what an earlier one left, unless a process still uses it.
  await removeVmDirectory(context, id);
  // A resume waits for these; synchronous calls are faster than a thread pool here.
  mkdirSync(directory, { mode: 0o700 });
  mkdirSync(join(directory, "disks"), { mode: 0o700 });
  await all(placeDisks(context, disks, directory), keepContract(directory, of));
  return directory;
}

/**
 * Kills what is left of the microVM, and removes its directory. Throws OUT_OF_REACH while a process
 * uses it, because then its disks must not be removed.
 */
export async function removeVmDirectory(context: Context, id: string): Promise<void> {
  await context.cells?.release(id);
  await requireUnused(context, id);
  const directory = context.paths.vm(id);
  if (existsSync(directory)) await rm(directory, { recursive: true, force: true });
}
