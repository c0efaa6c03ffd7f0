/** Taking a snapshot of a microVM. */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import type { CpuContract } from "@evenkeel/core";
import type { MicroVm } from "@evenkeel/host";
import type { Context } from "./context.ts";
import { asVmmError } from "../errors.ts";
import type { ManifestFacts } from "../store/manifest.ts";
import { vmFiles, type Snapshot } from "../store/snapshot-files.ts";
import type { SnapshotStore } from "../store/snapshots.ts";
import type { Stage } from "../store/stage.ts";
import { placeDisks, sourcesIn } from "./vm-directory.ts";

/** The part of a snapshot's manifest that is not common to all of this agent's snapshots. */
export type Facts = Omit<ManifestFacts, "created" | "node" | "vmm" | "version" | "parent">;

/** The snapshots that a sandbox's pauses have made. */
export function namesOf(snapshots: SnapshotStore, id: string): string[] {
  return snapshots
    .list()
    .filter(({ metadata }) => metadata.sandbox === id && metadata.name.startsWith(`${id}.`))
    .map(({ metadata }) => metadata.name);
}

/** Digests of files that are hard links to the parent's: nobody writes to those. */
async function knownDigests(
  directory: string,
  parent: Snapshot | undefined,
): Promise<ReadonlyMap<string, string>> {
  const known = new Map<string, string>();
  for (const { path, sha256 } of parent?.metadata.files ?? []) {
    const inodes = [directory, parent?.directory ?? ""].map(async (one) => {
      const { dev, ino } = await stat(join(one, path));
      return `${dev} ${ino}`;
    });
    const [mine, theirs] = await Promise.all(inodes).catch(() => []);
    if (mine !== undefined && mine === theirs) known.set(path, sha256);
  }
  return known;
}

const MIB = 1024 * 1024;

/**
 * Pauses a microVM and snapshots it under a name. If that fails, nothing is left behind, and the
 * microVM is paused or gone.
 */
export async function takeSnapshot(
  context: Context,
  vm: MicroVm,
  name: string,
  facts: Facts,
  contract: CpuContract,
  parent?: Snapshot,
): Promise<Snapshot> {
  const { driver, profile, snapshots, room } = context;
  const release = await room.reserve(facts.memoryMib * MIB, `snapshot ${name}`);
  let stage: Stage | undefined;
  try {
    stage = await snapshots.stage(name);
    await vm.pause();
    await vm.snapshot(vmFiles(stage.directory), "full");
    await placeDisks(context, sourcesIn(vm.record.directory, facts.disks), stage.directory);
    const manifest = {
      created: new Date().toISOString(),
      node: profile.name,
      vmm: driver.vmm,
      version: contract.firecracker,
      ...(parent === undefined ? {} : { parent: parent.metadata.digest }),
      ...facts,
    } as const;
    const known = await knownDigests(stage.directory, parent);
    return await stage.commit(manifest, contract, known);
  } catch (error) {
    await stage?.discard();
    throw asVmmError(error, `snapshot ${name} was not taken`);
  } finally {
    release();
  }
}
