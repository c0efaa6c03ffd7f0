/** Taking a snapshot of a microVM. */
import type { SnapshotMetadata } from "@evenkeel/api";
import type { CpuContract } from "@evenkeel/core";
import { SNAPSHOT_SCHEMA } from "@evenkeel/api";
import type { MicroVm } from "@evenkeel/host";
import type { Context } from "../context.ts";
import { asVmmError } from "../errors.ts";
import { requireRoom } from "../store/room.ts";
import { vmFiles, type Snapshot } from "../store/snapshot-files.ts";
import type { SnapshotStore } from "../store/snapshots.ts";
import { placeDisks, sourcesIn } from "./vm-directory.ts";

/** What a snapshot's metadata says beyond what every snapshot of this agent has. */
export type Facts = Omit<
  SnapshotMetadata,
  "schema" | "name" | "created" | "node" | "vmm" | "version" | "files"
>;

/** The snapshots that a sandbox's pauses have made. */
export function namesOf(snapshots: SnapshotStore, id: string): string[] {
  return snapshots
    .list()
    .filter(({ metadata }) => metadata.sandbox === id && metadata.name.startsWith(`${id}.`))
    .map(({ metadata }) => metadata.name);
}

const MIB = 1024 * 1024;

/**
 * Pauses a microVM and snapshots it under a name. Where that fails, nothing is left, and the
 * microVM is paused or gone.
 */
export async function takeSnapshot(
  context: Context,
  vm: MicroVm,
  name: string,
  facts: Facts,
  contract: CpuContract,
): Promise<Snapshot> {
  const { driver, profile, snapshots, paths } = context;
  await requireRoom(paths.snapshots, facts.memoryMib * MIB, `snapshot ${name}`);
  const stage = await snapshots.stage(name);
  try {
    await vm.pause();
    await vm.snapshot(vmFiles(stage.directory), "full");
    await placeDisks(context, sourcesIn(vm.record.directory, facts.disks), stage.directory);
    const metadata = {
      schema: SNAPSHOT_SCHEMA,
      name,
      created: new Date().toISOString(),
      node: profile.name,
      vmm: driver.vmm,
      version: contract.firecracker,
      ...facts,
    } as const;
    return await stage.commit(metadata, contract);
  } catch (error) {
    await stage.discard();
    throw asVmmError(error, `snapshot ${name} was not taken`);
  }
}
