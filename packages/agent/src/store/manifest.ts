/**
 * A snapshot's manifest: what it is, with the SHA-256 of each of its files. The SHA-256 of the
 * manifest's own bytes is the snapshot's identity, the same on every node.
 */
import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";
import { MANIFEST_SCHEMA, SnapshotManifest } from "@evenkeel/api";
import { parseJson, prettyJson, type CpuContract } from "@evenkeel/core";
import { fileDigest, sha256 } from "./hashing.ts";

export const MANIFEST_FILE = "manifest.json";
export const SIGNATURE_FILE = "signature.json";
export const METADATA_FILE = "metadata.json";
export const CONTRACT_FILE = "contract.json";
/** What metadata.json becomes when a snapshot is deleted: a step that needs no space. */
export const DELETED_FILE = "metadata.deleted";

/** Files beside those that a manifest lists. */
const BESIDE: ReadonlySet<string> = new Set([
  MANIFEST_FILE,
  SIGNATURE_FILE,
  METADATA_FILE,
  DELETED_FILE,
]);

export type ManifestFacts = Omit<SnapshotManifest, "schema" | "files" | "contract">;
type Files = SnapshotManifest["files"];

const MIB = 1024 * 1024;

export interface Manifest {
  readonly facts: SnapshotManifest;
  /** The bytes that were hashed and may be signed. */
  readonly text: string;
  readonly digest: string;
}

export function parseManifest(text: string): Manifest {
  return { facts: SnapshotManifest.parse(parseJson(text)), text, digest: sha256(text) };
}

/** Paths within a snapshot, with sizes, sorted; throws if anything is not a file. */
export async function listFiles(directory: string): Promise<{ path: string; bytes: number }[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const found: { path: string; bytes: number }[] = [];
  for (const entry of entries.filter((one) => !one.isDirectory())) {
    const place = join(entry.parentPath, entry.name);
    const path = place.slice(directory.length + 1);
    if (!entry.isFile()) throw new Error(`${path} is not a regular file`);
    if (!BESIDE.has(path)) found.push({ path, bytes: (await lstat(place)).size });
  }
  return found.toSorted((a, b) => (a.path < b.path ? -1 : 1));
}

/** Hashes everything in a directory. `known`: digests of files that need not be read again. */
export async function makeManifest(
  directory: string,
  facts: ManifestFacts,
  contract: string,
  known: ReadonlyMap<string, string>,
): Promise<Manifest> {
  const files: Files = [];
  for (const { path, bytes } of await listFiles(directory)) {
    const digest = known.get(path) ?? (await fileDigest(join(directory, path)));
    files.push({ path, bytes, sha256: digest });
  }
  return parseManifest(prettyJson({ schema: MANIFEST_SCHEMA, ...facts, contract, files }));
}

/** Exactly the files that every snapshot with these disks must have. */
function expectedFiles({ disks }: Pick<SnapshotManifest, "disks">): string[] {
  return ["state", "memory", CONTRACT_FILE, ...disks.map(({ id }) => join("disks", id))];
}

/** Why a manifest contradicts itself; undefined if it does not. */
export function contradiction(facts: SnapshotManifest): string | undefined {
  const { vmm, memoryMib, files, disks } = facts;
  const expected = expectedFiles(facts);
  const paths = new Set(files.map(({ path }) => path));
  const lacking = expected.find((path) => !paths.has(path));
  if (lacking !== undefined) return `${lacking} is missing`;
  const odd = [...paths].find((path) => !expected.includes(path));
  if (odd !== undefined) return `${JSON.stringify(odd)} does not belong in a snapshot`;
  if (disks.filter(({ root }) => root).length > 1) return "it has more than one root disk";
  const memory = files.find(({ path }) => path === "memory")?.bytes;
  if (vmm === "firecracker" && memory !== memoryMib * MIB) {
    return `memory has ${memory} bytes, but memoryMib is ${memoryMib}`;
  }
  return undefined;
}

/** Why a contract is not the manifest's; undefined if it is. */
export function contractMismatch(
  facts: SnapshotManifest,
  contract: CpuContract,
  digest: string,
): string | undefined {
  if (digest !== facts.contract)
    return `${CONTRACT_FILE} is not the one that ${MANIFEST_FILE} names`;
  if (contract.vcpus !== facts.vcpus) {
    return `${CONTRACT_FILE} has ${contract.vcpus} vCPUs; ${MANIFEST_FILE} says ${facts.vcpus}`;
  }
  if (contract.firecracker === facts.version) return undefined;
  return `${CONTRACT_FILE} is for release ${contract.firecracker}, ${MANIFEST_FILE} for ${facts.version}`;
}
