/** A microVM's files as its VMM sees them: directly, or inside a jail. */
import { chmodSync, chownSync, closeSync, openSync } from "node:fs";
import { HostError } from "./errors.ts";
import { pathIn } from "./path-in.ts";
import type { BootSpec, Drive, LoadSpec, SnapshotFiles, VmRecord } from "./vmm.ts";
import type { Cell } from "./isolation/cell.ts";
import { giveForeign, giveOwn, giveWritable, takeBack } from "./isolation/jail.ts";

const KERNEL = "kernel";
const INITRD = "initrd";
const SNAPSHOT: SnapshotFiles = { state: "snapshot/state", memory: "snapshot/memory" };

/** Drives in the microVM's directory, under the same relative paths. */
function giveDrives(cell: Cell, directory: string, drives: readonly Drive[]): void {
  for (const { path, readOnly } of drives) {
    const [parent, name = "", ...rest] = pathIn(directory, path).split("/");
    if (parent !== "disks" || rest.length > 0) {
      throw new HostError("JAIL_FAILED", `${path} is not in ${directory}/disks`);
    }
    if (readOnly) giveOwn(cell, path, "disks", name);
    else giveWritable(cell, path, "disks", name);
  }
}

/** Puts what a cold boot needs into the jail; returns the boot with the VMM's own paths. */
export async function fillForBoot(spec: BootSpec): Promise<BootSpec> {
  const { cell, directory, kernel, initrd, drives } = spec;
  if (cell === undefined) return spec;
  giveDrives(cell, directory, drives);
  await giveForeign(cell, kernel, KERNEL);
  if (initrd !== undefined) await giveForeign(cell, initrd, INITRD);
  return {
    ...spec,
    kernel: `snapshot/${KERNEL}`,
    ...(initrd === undefined ? {} : { initrd: `snapshot/${INITRD}` }),
  };
}

/** The same for a snapshot, whose memory comes from a file. */
export function fillForLoad(spec: LoadSpec): LoadSpec {
  const { cell, directory, snapshot, drives = [], memory } = spec;
  if (cell === undefined) return spec;
  if (memory.kind !== "file") {
    const message =
      "a confined VMM loads memory from a file: a page-fault handler would be outside the jail";
    throw new HostError("JAIL_FAILED", message);
  }
  giveDrives(cell, directory, drives);
  giveOwn(cell, snapshot.state, "snapshot", "state");
  giveOwn(cell, snapshot.memory, "snapshot", "memory");
  return { ...spec, snapshot: SNAPSHOT };
}

const TAKEN: SnapshotFiles = { state: "taken/state", memory: "taken/memory" };

/**
 * Has a VMM write a snapshot. A confined VMM gets two empty files at their final location, because
 * nothing that it creates in its jail can be trusted to be a regular file.
 */
export async function takenThrough(
  jail: VmRecord["jail"],
  files: SnapshotFiles,
  take: (seen: SnapshotFiles) => Promise<void>,
): Promise<void> {
  if (jail === undefined) return take(files);
  const places = ["state", "memory"] as const;
  for (const place of places) {
    closeSync(openSync(files[place], "wx", 0o600));
    giveWritable(jail, files[place], "taken", place);
  }
  try {
    await take(TAKEN);
  } finally {
    for (const place of places) {
      chownSync(files[place], 0, 0);
      chmodSync(files[place], 0o600);
      takeBack(jail, "taken", place);
    }
  }
}
