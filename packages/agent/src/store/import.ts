/** A tar stream as a snapshot: complete and verified, or not at all. */
import { constants } from "node:fs";
import { open, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import type { SnapshotMetadata } from "@evenkeel/api";
import { extract as openArchive, type Extract } from "tar-stream";
import { AgentError, asVmmError, messageOf } from "../errors.ts";
import {
  contradiction,
  MANIFEST_FILE,
  parseManifest,
  SIGNATURE_FILE,
  type Manifest,
} from "./manifest.ts";
import type { Room } from "./room.ts";
import { contentDiffers, examine, SMALL_LIMIT } from "./snapshot-files.ts";
import type { SnapshotStore } from "./snapshots.ts";
import type { Stage } from "./stage.ts";
import { drained } from "./streams.ts";

type Entry = Extract extends AsyncIterable<infer T> ? T : never;

const BLOCK = 512;
/** Allowance for headers, padding, and what other programs put between entries. */
const OVERHEAD = 1024 * 1024;

function bad(why: string): never {
  throw new AgentError("BAD_ARCHIVE", why);
}

async function readSmall(entry: Entry): Promise<string> {
  const { name, size } = entry.header;
  if (size > SMALL_LIMIT) bad(`${name} has ${size} bytes`);
  const chunks: Buffer[] = [];
  for await (const chunk of entry) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString("utf8");
}

async function writeTo(path: string, entry: Entry): Promise<void> {
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
  const file = await open(path, flags, 0o600);
  try {
    for await (const chunk of entry) await file.appendFile(chunk as Buffer);
  } finally {
    await file.close();
  }
}

const SLICE = 64 * 1024;

/** Small, so that the manifest is read before much of what follows must be buffered. */
async function* slices(body: Readable): AsyncGenerator<Buffer> {
  // Not destroyed when reading stops: the answer uses the same connection.
  const chunks = body.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
  for await (const chunk of chunks) {
    for (let at = 0; at < chunk.length; at += SLICE) yield chunk.subarray(at, at + SLICE);
  }
}

interface Counted {
  bytes: number;
  limit: number;
}

/** Passes a body to the parser as fast as it reads; stops if there is more than announced. */
async function feed(body: Readable, extract: Extract, counted: Counted): Promise<void> {
  try {
    for await (const chunk of slices(body)) {
      counted.bytes += chunk.length;
      if (counted.bytes > counted.limit) bad("the archive contains more than its manifest lists");
      if (extract.destroyed) return;
      if (extract.write(chunk)) continue;
      await drained(extract);
    }
    extract.end(null);
  } catch (error) {
    extract.destroy(error as Error);
  }
}

interface Unpacked {
  readonly manifest: Manifest;
  readonly signature: string | undefined;
}

/** What is wrong with an entry's place in the archive; undefined if nothing is. */
function misplaced(
  { name, type, size }: Entry["header"],
  manifest: Manifest | undefined,
  seen: ReadonlySet<string>,
): string | undefined {
  const shown = JSON.stringify(name.slice(0, 100));
  if (type !== "file") return `${shown} is not a regular file (${type})`;
  if (seen.has(name)) return `${shown} occurs twice`;
  if (manifest === undefined) {
    return name === MANIFEST_FILE ? undefined : `${MANIFEST_FILE} must come first, not ${shown}`;
  }
  if (name === SIGNATURE_FILE) return undefined;
  const file = manifest.facts.files.find(({ path }) => path === name);
  if (file === undefined) return `${shown} does not belong in this snapshot`;
  return file.bytes === size
    ? undefined
    : `${name} has ${size} bytes; ${MANIFEST_FILE} says ${file.bytes}`;
}

function readManifest(text: string): Manifest {
  let manifest: Manifest;
  try {
    manifest = parseManifest(text);
  } catch (error) {
    return bad(`${MANIFEST_FILE}: ${messageOf(error)}`);
  }
  const wrong = contradiction(manifest.facts);
  return wrong === undefined ? manifest : bad(`${MANIFEST_FILE}: ${wrong}`);
}

/** Bytes of content that a manifest announces. */
function contentOf({ facts }: Manifest): number {
  return facts.files.reduce((sum, { bytes }) => sum + bytes, 0);
}

async function unpack(
  body: Readable,
  directory: string,
  admit: (manifest: Manifest) => Promise<void>,
): Promise<Unpacked> {
  const extract = openArchive();
  const counted = { bytes: 0, limit: SMALL_LIMIT + OVERHEAD };
  const seen = new Set<string>();
  let manifest: Manifest | undefined;
  let signature: string | undefined;
  let end = 0;
  const feeding = feed(body, extract, counted);
  for await (const entry of extract) {
    const { header } = entry;
    const { name, size } = header;
    const wrong = misplaced(header, manifest, seen);
    if (wrong !== undefined) bad(wrong);
    seen.add(name);
    if (name === MANIFEST_FILE) {
      manifest = readManifest(await readSmall(entry));
      await writeFile(join(directory, name), manifest.text, { mode: 0o600 });
      counted.limit += contentOf(manifest);
      await admit(manifest);
    } else if (name === SIGNATURE_FILE) {
      signature = await readSmall(entry);
      await writeFile(join(directory, name), signature, { mode: 0o600 });
    } else {
      await writeTo(join(directory, name), entry);
    }
    end = (header as { byteOffset?: number }).byteOffset ?? 0;
    end += Math.ceil(size / BLOCK) * BLOCK;
  }
  await feeding;
  // Two blocks of zeros end an archive: without them, it may have been truncated.
  if (manifest === undefined || counted.bytes < end + 2 * BLOCK) bad("the archive ends too early");
  return { manifest, signature };
}

/** Memory, disks and everything else match the manifest, and so does the contract. */
async function verified(directory: string, manifest: Manifest) {
  let contract;
  try {
    contract = await examine(directory, manifest);
  } catch (error) {
    return bad(messageOf(error));
  }
  const differs = await contentDiffers(directory, manifest.facts.files);
  return differs === undefined ? contract : bad(differs);
}

/** tar-stream's error for something that is not an archive. */
function asBadArchive(error: unknown): unknown {
  if (error instanceof AgentError || (error as NodeJS.ErrnoException).errno !== undefined)
    return error;
  return new AgentError("BAD_ARCHIVE", `the archive is incomplete: ${messageOf(error)}`, {
    cause: error,
  });
}

async function receive(
  store: SnapshotStore,
  stage: Stage,
  body: Readable,
  admit: (manifest: Manifest) => Promise<void>,
): Promise<SnapshotMetadata> {
  const { manifest, signature } = await unpack(body, stage.directory, admit);
  const { signatures } = store;
  const signedBy = signatures.signer(manifest.digest, signature);
  signatures.requireTrusted(signedBy, "the archive");
  const contract = await verified(stage.directory, manifest);
  return (await stage.adopt(manifest, contract, signedBy)).metadata;
}

/** Throws NAME_TAKEN, BAD_ARCHIVE, UNTRUSTED, DISK_FULL. */
export async function importSnapshot(
  store: SnapshotStore,
  name: string,
  body: Readable,
  room: Room,
): Promise<SnapshotMetadata> {
  const stage = await store.stage(name);
  const reserved: (() => void)[] = [];
  try {
    return await receive(store, stage, body, async (manifest) => {
      reserved.push(await room.reserve(contentOf(manifest), `snapshot ${name}`));
    });
  } catch (error) {
    await stage.discard();
    throw asVmmError(asBadArchive(error), `snapshot ${name} was not imported`);
  } finally {
    for (const release of reserved) release();
  }
}
