/** A tar stream as a snapshot: whole, or not at all. */
import { createWriteStream } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { SnapshotMetadata } from "@evenkeel/api";
import { AgentError, asVmmError } from "../errors.ts";
import { readSnapshot, type Snapshot } from "./snapshot-files.ts";
import type { SnapshotStore } from "./snapshots.ts";
import { BLOCK, padding, readTarHeader, type TarEntry } from "./tar.ts";

/** Nothing else is ever in a snapshot; the directory `disks` is the only one. */
const ALLOWED =
  /^(?:metadata\.json|contract\.json|state|memory|disks\/[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?)$/;
const SMALL_LIMIT = 4 * 1024 * 1024;

function bad(why: string): never {
  throw new AgentError("BAD_ARCHIVE", why);
}

/** Takes exact numbers of bytes from a stream. */
function reader(stream: Readable) {
  const chunks = stream[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  let rest: Buffer = Buffer.alloc(0);
  const more = async () => {
    const { value, done } = await chunks.next();
    if (done === true) bad("the archive ends too early");
    rest = value;
  };
  async function* take(bytes: number): AsyncGenerator<Buffer> {
    let left = bytes;
    while (left > 0) {
      if (rest.length === 0) await more();
      const chunk = rest.subarray(0, left);
      rest = rest.subarray(chunk.length);
      left -= chunk.length;
      yield chunk;
    }
  }
  const read = async (bytes: number): Promise<Buffer> => {
    const parts: Buffer[] = [];
    for await (const part of take(bytes)) parts.push(part);
    return Buffer.concat(parts);
  };
  return { take, read };
}

function checkEntry({ path, bytes }: TarEntry, seen: ReadonlySet<string>): void {
  if (!ALLOWED.test(path)) bad(`${JSON.stringify(path)} does not belong in a snapshot`);
  if (seen.has(path)) bad(`${path} is there twice`);
  if (path.endsWith(".json") && !path.startsWith("disks/") && bytes > SMALL_LIMIT) {
    bad(`${path} has ${bytes} bytes`);
  }
}

async function unpack(stream: Readable, directory: string): Promise<void> {
  const { take, read } = reader(stream);
  const seen = new Set<string>();
  await mkdir(join(directory, "disks"), { recursive: true });
  for (;;) {
    const entry = readTarHeader(await read(BLOCK));
    if (entry === undefined) return;
    checkEntry(entry, seen);
    seen.add(entry.path);
    const file = createWriteStream(join(directory, entry.path), { flags: "wx", mode: 0o600 });
    await pipeline(take(entry.bytes), file);
    await read(padding(entry.bytes));
  }
}

/** Reads what was unpacked; throws BAD_ARCHIVE. */
async function examine(directory: string): Promise<Snapshot> {
  const read = await readSnapshot(directory);
  if (read.ok) return read.snapshot;
  return bad(read.why);
}

/** Throws NAME_TAKEN, BAD_ARCHIVE, DISK_FULL. */
export async function importSnapshot(
  store: SnapshotStore,
  name: string,
  stream: Readable,
): Promise<SnapshotMetadata> {
  const stage = await store.stage(name);
  try {
    await unpack(stream, stage.directory);
    const { metadata, contract } = await examine(stage.directory);
    // It is nobody's here: the sandbox that it was taken of is another node's.
    const { sandbox: _, files: __, ...facts } = metadata;
    return (await stage.commit({ ...facts, name }, contract)).metadata;
  } catch (error) {
    await stage.discard();
    throw asVmmError(error, `snapshot ${name} was not imported`);
  }
}
