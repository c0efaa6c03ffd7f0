/** Finds machine code under a path that a user names, whatever kind of thing is there. */
import { stat } from "node:fs/promises";
import { isMachineCode } from "../scan/scan-file.ts";
import { found, skipped, type Found } from "./candidate.ts";
import { cpioSequence, isCpio } from "./cpio.ts";
import { extractAll, type Extraction } from "./entries.ts";
import { printable, type Entry } from "./entry.ts";
import { compressionOf, pullExpanded, type Compression } from "./expand.ts";
import { findInExt4, isExt4 } from "./ext4.ts";
import { ImageError } from "./limits.ts";
import { directoryBlobs, findInLayout, isLayout, tarBlobs } from "./oci.ts";
import { wholeFile, type FilePart, type Pull } from "./pull.ts";
import { isTar, tarEntries } from "./tar.ts";
import { findInTree } from "./tree.ts";
import { copyOut } from "./workspace.ts";

/** Enough for every magic number: ext4's is at 1080. */
const HEAD = 2048;

async function headOf(part: FilePart, compression: Compression, extraction: Extraction) {
  const pull = await pullExpanded(part, compression, extraction.limits);
  return pull.take(HEAD).finally(() => pull.close());
}

/** A compressed image must be on disk to be read in any order. */
async function expandToDisk(
  part: FilePart,
  compression: Compression,
  { workspace, limits }: Extraction,
): Promise<FilePart> {
  const pull = await pullExpanded(part, compression, limits);
  try {
    const path = await copyOut(pull, Buffer.alloc(0), undefined, workspace, limits);
    return await wholeFile(path);
  } finally {
    await pull.close();
  }
}

async function* findInTar(
  name: string,
  part: FilePart,
  compression: Compression,
  extraction: Extraction,
): AsyncGenerator<Found> {
  const { limits } = extraction;
  // An image's tar starts with its blobs or its manifest; a plain one is read as it streams.
  const first = await pullExpanded(part, compression, limits);
  const isImage = await looksLikeImage(tarEntries(first, limits)).finally(() => first.close());
  if (isImage) {
    const plain = compression === "none" ? part : await expandToDisk(part, compression, extraction);
    const blobs = await tarBlobs(plain, limits);
    if (blobs.has("index.json") || blobs.has("manifest.json")) {
      yield* findInLayout(name, (path) => Promise.resolve(blobs.get(path)), extraction);
      return;
    }
  }
  const pull = await pullExpanded(part, compression, limits);
  try {
    yield* extractAll(name, tarEntries(pull, limits), extraction);
  } finally {
    await pull.close();
  }
}

const IMAGE_FILE =
  /^(?:blobs(?:\/|$)|oci-layout$|index\.json$|manifest\.json$|repositories$|[\da-f]{64}(?:\/|\.json$|$))/;

async function looksLikeImage(entries: AsyncIterable<Entry>): Promise<boolean> {
  for await (const { path } of entries) if (path !== "") return IMAGE_FILE.test(path);
  return false;
}

/** Archives of a boot image: plain ones first, such as microcode, then one that is compressed. */
async function* findInInitramfs(
  name: string,
  part: FilePart,
  compression: Compression,
  extraction: Extraction,
): AsyncGenerator<Found> {
  const pull = await pullExpanded(part, compression, extraction.limits);
  let next: number | undefined;
  try {
    yield* extractAll(name, remember(pull), extraction);
  } finally {
    await pull.close();
  }
  if (next === undefined || compression !== "none") return;
  const rest = { path: part.path, start: part.start + next, size: part.size - next };
  yield* findInPart(name, rest, extraction);

  async function* remember(from: Pull): AsyncGenerator<Entry> {
    next = yield* cpioSequence(from, extraction.limits);
  }
}

async function* findInPart(
  name: string,
  part: FilePart,
  extraction: Extraction,
): AsyncGenerator<Found> {
  const compression = compressionOf(await headOf(part, "none", extraction));
  const head = await headOf(part, compression, extraction);
  if (compression === "none" && part.start === 0 && isMachineCode(head)) {
    yield found(name, part.path, false);
  } else if (isTar(head)) yield* findInTar(name, part, compression, extraction);
  else if (isCpio(head)) yield* findInInitramfs(name, part, compression, extraction);
  else if (isExt4(head)) {
    const plain = compression === "none" ? part : await expandToDisk(part, compression, extraction);
    yield* findInExt4(name, plain.path, extraction);
  } else yield skipped(name, "neither machine code nor an image that can be read");
}

/** Everything under a path; what is wrong with it is part of the answer. */
export async function* findUnder(path: string, extraction: Extraction): AsyncGenerator<Found> {
  const name = printable(path);
  try {
    const info = await stat(path);
    if (info.isDirectory()) {
      if (isLayout(path)) yield* findInLayout(name, directoryBlobs(path), extraction);
      else yield* findInTree(path, extraction.limits);
    } else if (info.isFile()) yield* findInPart(name, await wholeFile(path), extraction);
    else yield skipped(name, "neither a file nor a directory", true);
  } catch (error) {
    if (error instanceof ImageError) yield skipped(name, error.message, true);
    else if (error instanceof Error && "syscall" in error) yield skipped(name, error.message, true);
    else throw error;
  }
}
