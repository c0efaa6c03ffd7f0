/**
 * What a QEMU snapshot is besides memory: the machine it must be loaded into, and the guest CPU
 * it was taken with. QEMU's migration stream has neither; Firecracker's snapshot has both.
 */
import { readFile, rename, writeFile } from "node:fs/promises";
import type { CpuidEntry } from "@evenkeel/core";
import { HostError } from "../errors.ts";
import type { Machine } from "./arguments.ts";

const SCHEMA = "evenkeel/qemu-snapshot@1";

export interface SnapshotState {
  /** QEMU's version; streams are loaded by the release line that wrote them. */
  readonly qemu: string;
  readonly machine: Machine;
  /** The guest's CPUID as it was booted; undefined where the node's own is not known. */
  readonly cpuid: readonly CpuidEntry[] | undefined;
}

/** Writes it whole or not at all. */
export async function writeState(path: string, state: SnapshotState): Promise<void> {
  const text = `${JSON.stringify({ schema: SCHEMA, ...state }, undefined, 1)}\n`;
  await writeFile(`${path}.new`, text);
  await rename(`${path}.new`, path);
}

/** Reads it back; throws BAD_SNAPSHOT. */
export async function readState(path: string): Promise<SnapshotState> {
  try {
    const json = JSON.parse(await readFile(path, "utf8")) as SnapshotState & { schema?: unknown };
    if (json.schema !== SCHEMA) throw new Error(`its schema is not ${SCHEMA}`);
    return json;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new HostError("BAD_SNAPSHOT", `${path} is not a QEMU snapshot: ${why}`, { cause });
  }
}
