/** A snapshot as a tar stream: its manifest first, so that a reader knows what follows. */
import { constants } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { openPlain } from "@evenkeel/host";
import { pack as openArchive, type Pack } from "tar-stream";
import { AgentError } from "../errors.ts";
import { MANIFEST_FILE, SIGNATURE_FILE } from "./manifest.ts";
import { readSignature, type Snapshot } from "./snapshot-files.ts";
import type { SnapshotStore } from "./snapshots.ts";
import { drained } from "./streams.ts";

/** Large enough that a gigabyte is not sixteen thousand reads. */
const CHUNK = 1024 * 1024;
const BLOCK = 512;

export interface Export {
  readonly bytes: number;
  readonly stream: Readable;
}

interface Part {
  readonly path: string;
  readonly bytes: number;
  readonly file: FileHandle;
}

/** Opens all files at once: a file deleted or replaced meanwhile is still read to its end. */
async function openParts({ directory, metadata }: Snapshot): Promise<Part[]> {
  const beside = readSignature(directory) === undefined ? [] : [SIGNATURE_FILE];
  const paths = [MANIFEST_FILE, ...beside, ...metadata.files.map(({ path }) => path)];
  const expected = new Map(metadata.files.map(({ path, bytes }) => [path, bytes]));
  const parts: Part[] = [];
  try {
    for (const path of paths) {
      const file = await openPlain(join(directory, path), constants.O_RDONLY);
      const { size } = await file.stat();
      parts.push({ path, bytes: size, file });
      if ((expected.get(path) ?? size) !== size) {
        const why = `${path} has ${size} bytes; ${MANIFEST_FILE} says ${expected.get(path)}`;
        throw new AgentError("SNAPSHOT_DAMAGED", `snapshot "${metadata.name}": ${why}`);
      }
    }
    return parts;
  } catch (error) {
    await Promise.all(parts.map(({ file }) => file.close()));
    throw error;
  }
}

/** Exactly as many bytes as announced, no faster than they are read; throws if there are fewer. */
async function copy(file: FileHandle, bytes: number, sink: ReturnType<Pack["entry"]>) {
  for (let at = 0; at < bytes;) {
    const chunk = Buffer.allocUnsafe(Math.min(CHUNK, bytes - at));
    const { bytesRead } = await file.read(chunk, 0, chunk.length, at);
    if (bytesRead === 0) throw new Error("a file shrank while it was read");
    at += bytesRead;
    if (sink.write(chunk.subarray(0, bytesRead))) continue;
    await drained(sink);
    if (sink.destroyed) return;
  }
  sink.end(null);
}

async function write(pack: Pack, parts: readonly Part[]): Promise<void> {
  for (const { path, bytes, file } of parts) {
    const header = { name: path, size: bytes, mode: 0o600, mtime: new Date(0) };
    await new Promise<void>((settle, reject) => {
      const entry = pack.entry(header, (error) => (error ? reject(error) : settle()));
      entry.on("error", reject);
      copy(file, bytes, entry).catch(reject);
    });
  }
  pack.finalize();
}

/** Keeps a snapshot's files until the function that it returns is called. */
async function held(store: SnapshotStore, name: string) {
  let release = () => {};
  const snapshot = await new Promise<Snapshot>((settle, reject) => {
    store
      .hold(name, (found) => {
        settle(found);
        return new Promise<void>((done) => (release = done));
      })
      .catch(reject);
  });
  return { snapshot, release: () => release() };
}

function sizeOf(parts: readonly Part[]): number {
  const padded = parts.map(({ bytes }) => BLOCK + Math.ceil(bytes / BLOCK) * BLOCK);
  return padded.reduce((sum, bytes) => sum + bytes, 2 * BLOCK);
}

/**
 * Throws NO_SUCH_SNAPSHOT, SNAPSHOT_DAMAGED. The snapshot's files stay until the stream is closed.
 * A file that turns out shorter than it was ends the stream with an error, not with silence.
 */
export async function exportSnapshot(store: SnapshotStore, name: string): Promise<Export> {
  const { snapshot, release } = await held(store, name);
  let parts: readonly Part[];
  try {
    parts = await openParts(snapshot);
  } catch (error) {
    release();
    throw error;
  }
  const pack = openArchive();
  // Reported to the stream's reader.
  pack.on("error", () => undefined);
  const stream = Readable.from(pack, { objectMode: false });
  write(pack, parts).catch((error: unknown) => {
    const reason = error instanceof Error ? error : new Error(String(error));
    stream.destroy(reason);
    pack.destroy(reason);
  });
  stream.once("close", () => {
    pack.destroy();
    release();
    for (const { file } of parts) void file.close().catch(() => undefined);
  });
  return { bytes: sizeOf(parts), stream };
}
