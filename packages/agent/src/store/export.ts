/** A snapshot as a tar stream. */
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { METADATA_FILE, type Snapshot } from "./snapshot-files.ts";
import type { SnapshotStore } from "./snapshots.ts";
import { BLOCK, padding, tarHeader, type TarEntry } from "./tar.ts";

/** Large enough that a gigabyte is not sixteen thousand reads. */
const CHUNK = 1024 * 1024;

export interface Export {
  readonly bytes: number;
  readonly stream: Readable;
}

async function* contents(directory: string, entries: readonly TarEntry[]) {
  for (const entry of entries) {
    yield tarHeader(entry);
    const path = join(directory, entry.path);
    if (entry.bytes > 0)
      yield* createReadStream(path, { end: entry.bytes - 1, highWaterMark: CHUNK });
    yield Buffer.alloc(padding(entry.bytes));
  }
  yield Buffer.alloc(2 * BLOCK);
}

/** The metadata comes first, so that a reader knows what is to follow. */
async function entriesOf({ directory, metadata }: Snapshot): Promise<TarEntry[]> {
  const { size } = await stat(join(directory, METADATA_FILE));
  return [{ path: METADATA_FILE, bytes: size }, ...metadata.files];
}

/** Keeps a snapshot's files until the function that it returns is called. */
function hold(store: SnapshotStore, name: string): () => void {
  let release = () => {};
  const held = store.hold(name, () => new Promise<void>((done) => (release = done)));
  // Only the removal of a snapshot that was deleted meanwhile can fail; the next start does it.
  held.catch(() => undefined);
  return () => release();
}

/** Throws NO_SUCH_SNAPSHOT. The snapshot's files stay until the stream is closed. */
export async function exportSnapshot(store: SnapshotStore, name: string): Promise<Export> {
  const snapshot = store.get(name);
  const release = hold(store, name);
  try {
    const entries = await entriesOf(snapshot);
    const bytes = entries.reduce((sum, e) => sum + BLOCK + e.bytes + padding(e.bytes), 2 * BLOCK);
    const stream = Readable.from(contents(snapshot.directory, entries), { objectMode: false });
    stream.once("close", release);
    return { bytes, stream };
  } catch (error) {
    release();
    throw error;
  }
}
