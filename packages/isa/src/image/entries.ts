/** Machine code among the entries of an archive, copied out to be scanned. */
import { rm } from "node:fs/promises";
import { isMachineCode, MAGIC_SIZE } from "../elf/machine-code.ts";
import { appendedTo } from "./appended.ts";
import { found, unread, type Found } from "./candidate.ts";
import { printable, type Entry } from "./entry.ts";
import { ImageError } from "./limits.ts";
import { headSize, imageKindOf, isOfInterest } from "./magic.ts";
import { headOf, wholeFile, type FilePart } from "./pull.ts";
import { copyOut, tooLarge, type CopyTo } from "./workspace.ts";

export interface Extraction extends CopyTo {
  /** How many images this one lies in. */
  readonly depth: number;
  /** Whether it must be something: what the user named, or a partition; not any file in an image. */
  readonly named: boolean;
  /** Machine code in a file that lay in an image, if it is an image itself. */
  readonly inside: (name: string, part: FilePart, extraction: Extraction) => AsyncGenerator<Found>;
}

/**
 * What is in a file whose first bytes are of interest. `remove`: the file is a copy, which is
 * gone afterwards unless it is what is to be scanned.
 */
export async function* findInFile(
  name: string,
  path: string,
  head: Buffer,
  extraction: Extraction,
  remove: boolean,
): AsyncGenerator<Found> {
  if (isMachineCode(head) && imageKindOf(head) === undefined) {
    // Before the program itself, whose copy is gone once it was scanned.
    yield* findAppended(name, path, head, extraction);
    yield found(name, path, remove);
    return;
  }
  try {
    yield* findDeeper(name, await wholeFile(path), extraction);
  } finally {
    if (remove) await rm(path, { force: true });
  }
}

/** What is in a part of a file, one level down; what breaks it off is its last word. */
async function* findDeeper(
  name: string,
  part: FilePart,
  extraction: Extraction,
): AsyncGenerator<Found> {
  const depth = extraction.depth + 1;
  if (depth > extraction.limits.depth) {
    yield unread(name, `an image in an image: more than ${extraction.limits.depth} deep`);
    return;
  }
  try {
    yield* extraction.inside(name, part, { ...extraction, depth, named: false });
  } catch (error) {
    if (!(error instanceof ImageError)) throw error;
    yield unread(name, error.message);
  }
}

/** Programs in the image that stands behind a program's end, as in an AppImage. */
export async function* findAppended(
  name: string,
  path: string,
  head: Buffer,
  extraction: Extraction,
): AsyncGenerator<Found> {
  const { parts, unreadable } = appendedTo(path, head);
  if (unreadable !== undefined) yield unread(name, unreadable);
  for (const part of parts) {
    if (!isOfInterest(await headOf(part))) continue;
    yield* findDeeper(name, part, extraction);
    return;
  }
}

/** An entry's candidate, or those of the image that it is. */
async function* extract(image: string, entry: Entry, extraction: Extraction) {
  if (entry.kind !== "file" || entry.size < MAGIC_SIZE) return;
  const name = `${image}!/${printable(entry.path)}`;
  if (entry.unreadable !== undefined) {
    yield unread(name, entry.unreadable);
    return;
  }
  const head = await entry.body.take(Math.min(entry.size, headSize(entry.size)));
  if (!isOfInterest(head)) return;
  if (entry.size > extraction.limits.file) {
    yield unread(name, tooLarge(entry.size, extraction.limits));
    return;
  }
  const path = await copyOut(entry.body, head, entry.size, extraction);
  yield* findInFile(name, path, head, extraction, true);
}

/** Candidates of an archive; what breaks it off is its last word. */
export async function* extractAll(
  image: string,
  entries: AsyncIterable<Entry>,
  extraction: Extraction,
  wanted: (path: string) => boolean = () => true,
): AsyncGenerator<Found> {
  try {
    for await (const entry of entries) {
      if (wanted(entry.path)) yield* extract(image, entry, extraction);
    }
  } catch (error) {
    if (!(error instanceof ImageError)) throw error;
    yield unread(image, error.message);
  }
}
