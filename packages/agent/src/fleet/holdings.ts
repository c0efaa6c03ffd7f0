/** What a node tells its server about itself. */
import { createHash } from "node:crypto";
import type { Capacity, HeldSnapshot } from "@evenkeel/api";
import { formatProfile, profileDigest, readProfile, type NodeProfile } from "@evenkeel/core";
import type { Context } from "../sandboxes/context.ts";
import { isLive } from "../sandboxes/record.ts";

export function capacityOf({ sandboxes, builds, settings }: Context): Capacity {
  const live = sandboxes.list().filter(({ record }) => isLive(record));
  const memories = [...live.map(({ record }) => record.memoryMib), ...builds.values()];
  return {
    sandboxes: memories.length,
    maxSandboxes: settings.maxSandboxes,
    memoryMib: memories.reduce((sum, mib) => sum + mib, 0),
    maxMemoryMib: settings.maxMemoryMib,
  };
}

/** Without damaged ones, which nobody can resume. Sorted by name. */
export function snapshotsHeld({ snapshots }: Context): HeldSnapshot[] {
  return snapshots
    .list()
    .filter(({ metadata }) => metadata.damaged === undefined)
    .map(({ metadata }) => {
      const { name, digest, kind, contract, memoryMib, created, files, parent } = metadata;
      const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
      const held = { name, digest, kind, contract, memoryMib, bytes, created };
      return parent === undefined ? held : { ...held, parent };
    })
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

export function digestOfList(list: readonly HeldSnapshot[]): string {
  return createHash("sha256").update(JSON.stringify(list)).digest("hex");
}

const digests = new WeakMap<NodeProfile, string>();

/**
 * As the server computes it from the profile that it reads: the members may be in a different order
 * in a file than after a probe. Called every few seconds, for a profile that hardly ever changes.
 */
export function digestOfProfile(profile: NodeProfile): string {
  const read = () => readProfile(JSON.parse(formatProfile(profile)), profile.name);
  const digest = digests.get(profile) ?? profileDigest(read());
  digests.set(profile, digest);
  return digest;
}
