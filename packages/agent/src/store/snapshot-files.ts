/**
 * One snapshot directory: its files, reading it, and checking that it is complete and unchanged.
 */
import { existsSync, lstatSync } from "node:fs";
import { join } from "node:path";
import { SNAPSHOT_SCHEMA, type SnapshotMetadata } from "@evenkeel/api";
import {
  contractDigest,
  parseJson,
  prettyJson,
  readDocument,
  type CpuContract,
} from "@evenkeel/core";
import { readPlainSync, type SnapshotFiles } from "@evenkeel/host";
import { z } from "zod";
import { messageOf } from "../errors.ts";
import { fileDigest, sha256 } from "./hashing.ts";
import {
  CONTRACT_FILE,
  contractMismatch,
  contradiction,
  listFiles,
  MANIFEST_FILE,
  METADATA_FILE,
  parseManifest,
  SIGNATURE_FILE,
  type Manifest,
} from "./manifest.ts";
import type { Signatures } from "./signatures.ts";

/** No JSON in a snapshot is larger. */
export const SMALL_LIMIT = 4 * 1024 * 1024;

/** `metadata.json`: a snapshot's name on this node, and what happened to it here. */
const Local = z.strictObject({
  schema: z.literal(SNAPSHOT_SCHEMA),
  name: z.string(),
  /** The digest of its manifest. */
  manifest: z.string(),
  /** It came from another node, so the sandbox it was taken from is not this node's. */
  imported: z.boolean(),
  /** What a scrub found to differ. */
  damaged: z.string().optional(),
});
export type Local = z.infer<typeof Local>;

export interface Snapshot {
  readonly directory: string;
  readonly metadata: SnapshotMetadata;
  readonly contract: CpuContract;
  readonly local: Local;
}

export function vmFiles(directory: string): SnapshotFiles {
  return { state: join(directory, "state"), memory: join(directory, "memory") };
}

export function diskPath(directory: string, id: string): string {
  return join(directory, "disks", id);
}

function readSmall(directory: string, name: string): string {
  return readPlainSync(join(directory, name), SMALL_LIMIT).toString("utf8");
}

/** Throws if there is none, or if it was changed. */
export function readContractFile(directory: string): CpuContract {
  try {
    const document = readDocument(parseJson(readSmall(directory, CONTRACT_FILE)), "");
    if (document.kind === "contract") return document.contract;
    throw new Error(`this is a ${document.kind}`);
  } catch (error) {
    throw new Error(`${CONTRACT_FILE}: ${messageOf(error)}`, { cause: error });
  }
}

export function readSignature(directory: string): string | undefined {
  if (!existsSync(join(directory, SIGNATURE_FILE))) return undefined;
  return readSmall(directory, SIGNATURE_FILE);
}

export function localText(local: Local): string {
  return prettyJson(local);
}

/** A manifest as the API shows it. */
export function viewOf(
  { facts, digest }: Manifest,
  local: Local,
  signedBy?: string,
): SnapshotMetadata {
  const { schema: _, sandbox, ...rest } = facts;
  return {
    schema: SNAPSHOT_SCHEMA,
    name: local.name,
    digest,
    ...(signedBy === undefined ? {} : { signedBy }),
    ...(local.damaged === undefined ? {} : { damaged: local.damaged }),
    ...rest,
    ...(sandbox === undefined || local.imported ? {} : { sandbox }),
  };
}

/** How the files of a directory differ from a manifest, by name and size. */
async function sizesDiffer(directory: string, { facts }: Manifest): Promise<string | undefined> {
  const said = facts.files.map(({ path, bytes }) => `${path}: ${bytes}`);
  const found = (await listFiles(directory)).map(({ path, bytes }) => `${path}: ${bytes}`);
  const differs =
    said.find((file) => !found.includes(file)) ?? found.find((file) => !said.includes(file));
  return differs === undefined
    ? undefined
    : `files differ from ${MANIFEST_FILE} (${differs} bytes)`;
}

/** The first of these files whose content is not what the manifest says; undefined if none. */
export async function contentDiffers(
  directory: string,
  files: SnapshotMetadata["files"],
  bytesPerSecond = 0,
): Promise<string | undefined> {
  for (const { path, sha256: expected } of files) {
    const found = await fileDigest(join(directory, path), bytesPerSecond);
    if (found !== expected) return `${path} does not match ${MANIFEST_FILE}`;
  }
  return undefined;
}

/** Files that are verified at each use; the others are as large as the guest. */
const SMALL_FILES: ReadonlySet<string> = new Set([CONTRACT_FILE, "state"]);

export function isSmall({ path }: { readonly path: string }): boolean {
  return SMALL_FILES.has(path);
}

/**
 * The first of these that is not a regular file, or has a different size; throws if one is missing.
 */
function shapeDiffers(directory: string, files: SnapshotMetadata["files"]): string | undefined {
  const odd = files.find(({ path, bytes }) => {
    const stat = lstatSync(join(directory, path));
    return !stat.isFile() || stat.size !== bytes;
  });
  return odd === undefined ? undefined : `${odd.path} does not match ${MANIFEST_FILE}`;
}

/**
 * How a snapshot has changed since it was read: checks its manifest, state, contract and metadata,
 * and that memory and disks are files of the right sizes. Undefined if unchanged.
 */
export async function changedSince({
  directory,
  metadata,
  local,
}: Snapshot): Promise<string | undefined> {
  try {
    if (sha256(readSmall(directory, MANIFEST_FILE)) !== metadata.digest) {
      return `${MANIFEST_FILE} was changed`;
    }
    if (readSmall(directory, METADATA_FILE) !== localText(local))
      return `${METADATA_FILE} was changed`;
    const { files } = metadata;
    const differs = shapeDiffers(directory, files);
    return differs ?? (await contentDiffers(directory, files.filter(isSmall)));
  } catch (error) {
    return messageOf(error);
  }
}

export type ReadSnapshot =
  | { readonly ok: true; readonly snapshot: Snapshot }
  | { readonly ok: false; readonly why: string };

/** A manifest with the contract beside it; throws if they do not belong together. */
export async function examine(directory: string, manifest: Manifest): Promise<CpuContract> {
  const { facts } = manifest;
  const wrong = contradiction(facts) ?? (await sizesDiffer(directory, manifest));
  if (wrong !== undefined) throw new Error(wrong);
  const contract = readContractFile(directory);
  const mismatch = contractMismatch(facts, contract, contractDigest(contract));
  if (mismatch !== undefined) throw new Error(mismatch);
  return contract;
}

/** Reads a snapshot and checks that it is complete; never throws because of its content. */
export async function readSnapshot(
  directory: string,
  signatures?: Signatures,
): Promise<ReadSnapshot> {
  try {
    const local = Local.parse(parseJson(readSmall(directory, METADATA_FILE)));
    const manifest = parseManifest(readSmall(directory, MANIFEST_FILE));
    if (manifest.digest !== local.manifest) {
      return { ok: false, why: `${MANIFEST_FILE} is not the one that ${METADATA_FILE} names` };
    }
    const contract = await examine(directory, manifest);
    const signedBy = signatures?.signer(manifest.digest, readSignature(directory));
    const metadata = viewOf(manifest, local, signedBy);
    return { ok: true, snapshot: { directory, metadata, contract, local } };
  } catch (error) {
    return { ok: false, why: messageOf(error) };
  }
}
