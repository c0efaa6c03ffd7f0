/** One snapshot directory: the files in it, reading it, and whether it is whole. */
import { lstat, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { SnapshotMetadata } from "@evenkeel/api";
import { parseJson, readDocument, type CpuContract } from "@evenkeel/core";
import type { SnapshotFiles } from "@evenkeel/host";
import { messageOf } from "../errors.ts";

export interface Snapshot {
  readonly directory: string;
  readonly metadata: SnapshotMetadata;
  readonly contract: CpuContract;
}

export const METADATA_FILE = "metadata.json";
export const CONTRACT_FILE = "contract.json";

export function vmFiles(directory: string): SnapshotFiles {
  return { state: join(directory, "state"), memory: join(directory, "memory") };
}

export function diskPath(directory: string, id: string): string {
  return join(directory, "disks", id);
}

/** All files but the metadata, by their paths within the snapshot, sorted. */
export async function listFiles(directory: string): Promise<SnapshotMetadata["files"]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => path !== join(directory, METADATA_FILE));
  const sized = files.map(async (path) => ({
    path: path.slice(directory.length + 1),
    bytes: (await lstat(path)).size,
  }));
  return (await Promise.all(sized)).toSorted((a, b) => (a.path < b.path ? -1 : 1));
}

/** What every snapshot of these disks has to have. */
function expectedFiles({ disks }: SnapshotMetadata): string[] {
  return ["state", "memory", CONTRACT_FILE, ...disks.map(({ id }) => join("disks", id))];
}

/** Why a directory is not a whole snapshot; undefined where it is. */
async function flaw(directory: string, metadata: SnapshotMetadata): Promise<string | undefined> {
  const said = metadata.files.map(({ path, bytes }) => `${path}: ${bytes}`);
  const found = (await listFiles(directory)).map(({ path, bytes }) => `${path}: ${bytes}`);
  const differs =
    said.find((file) => !found.includes(file)) ?? found.find((f) => !said.includes(f));
  if (differs !== undefined) return `files differ from ${METADATA_FILE} (${differs} bytes)`;
  const paths = new Set(metadata.files.map(({ path }) => path));
  const lacking = expectedFiles(metadata).find((path) => !paths.has(path));
  return lacking === undefined ? undefined : `${lacking} is missing`;
}

/** Throws where there is none, or one that was changed. */
export async function readContractFile(directory: string): Promise<CpuContract> {
  const text = await readFile(join(directory, CONTRACT_FILE), "utf8");
  const document = readDocument(parseJson(text), CONTRACT_FILE);
  if (document.kind !== "contract") throw new Error(`${CONTRACT_FILE} holds a ${document.kind}`);
  return document.contract;
}

export type ReadSnapshot =
  | { readonly ok: true; readonly snapshot: Snapshot }
  | { readonly ok: false; readonly why: string };

/** Reads a snapshot and makes sure that it is whole; never throws for what is in it. */
export async function readSnapshot(directory: string): Promise<ReadSnapshot> {
  try {
    const text = await readFile(join(directory, METADATA_FILE), "utf8");
    const metadata = SnapshotMetadata.parse(parseJson(text));
    const why = await flaw(directory, metadata);
    if (why !== undefined) return { ok: false, why };
    const contract = await readContractFile(directory);
    return { ok: true, snapshot: { directory, metadata, contract } };
  } catch (error) {
    return { ok: false, why: messageOf(error) };
  }
}
