/**
 * Machine code in an ext4 image. Files are addressed by inode and copied out under numbers, so
 * that no name in the image is ever a name on this machine.
 */
import { stat, unlink, open } from "node:fs/promises";
import { MAGIC_SIZE, startsAsCode } from "../scan/scan-file.ts";
import { found, skipped, type Found } from "./candidate.ts";
import { debugfs } from "./debugfs.ts";
import type { Extraction } from "./entries.ts";
import { printable } from "./entry.ts";
import { ImageError, type Limits } from "./limits.ts";

/** The superblock's magic number, at 1024 + 56. */
export function isExt4(start: Buffer): boolean {
  return start.length >= 1082 && start.readUInt16LE(1080) === 0xef53;
}

interface Directory {
  readonly inode: string;
  readonly path: string;
}

interface File extends Directory {
  readonly size: number;
}

const ROOT: Directory = { inode: "2", path: "" };
/** `/12/100755/0/0/name/911904/`; directories have no size. */
const LINE = /^\/(\d+)\/(\d{6})\/\d+\/\d+\/(.*)\/(\d*)\/$/;
const REGULAR = 0o100_000;
const DIRECTORY = 0o040_000;
const FORMAT = 0o170_000;

/** The listings of several directories, one after another in the order they were asked for. */
function split(output: string): string[] {
  return output.split(/^debugfs: ls -p <\d+>\n/m).slice(1);
}

interface Listing {
  readonly files: File[];
  readonly directories: Directory[];
}

/** Undefined where debugfs could not read the directory: even an empty one lists itself. */
function parseListing(parent: Directory, text = ""): Listing | undefined {
  if (!text.split("\n").some((line) => LINE.exec(line)?.[3] === ".")) return undefined;
  const files: File[] = [];
  const directories: Directory[] = [];
  for (const line of text.split("\n")) {
    const [, inode = "0", mode = "0", name = "", size = "0"] = LINE.exec(line) ?? [];
    if (inode === "0" || name === "." || name === "..") continue;
    const path = `${parent.path}/${name}`;
    const format = Number.parseInt(mode, 8) & FORMAT;
    if (format === REGULAR) files.push({ inode, path, size: Number(size) });
    if (format === DIRECTORY) directories.push({ inode, path });
  }
  return { files, directories };
}

interface Contents {
  /** Regular files, each inode once, by path. */
  readonly files: readonly File[];
  readonly unreadable: readonly Directory[];
}

/** Level by level, so that few processes are needed. */
async function listFiles(image: string, limits: Limits): Promise<Contents> {
  const files = new Map<string, File>();
  const unreadable: Directory[] = [];
  const seen = new Set([ROOT.inode]);
  for (let level = [ROOT]; level.length > 0;) {
    const output = await debugfs(
      image,
      level.map(({ inode }) => `ls -p <${inode}>`),
    );
    const texts = split(output);
    const listings = level.flatMap((directory, i) => {
      const listing = parseListing(directory, texts[i]);
      if (listing === undefined) unreadable.push(directory);
      return listing ?? [];
    });
    const next = listings.flatMap(({ directories }) => directories);
    for (const file of listings.flatMap((listing) => listing.files)) {
      if (!files.has(file.inode)) files.set(file.inode, file);
    }
    if (files.size + seen.size > limits.entries) {
      throw new ImageError(`more than ${limits.entries} files`);
    }
    // A damaged image may have a directory inside itself.
    level = next.filter(({ inode }) => !seen.has(inode));
    for (const { inode } of level) seen.add(inode);
  }
  const sorted = [...files.values()].toSorted((a, b) => (a.path < b.path ? -1 : 1));
  return { files: sorted, unreadable };
}

/** Copied out at once: enough to need few processes, little enough to need little room. */
const BATCH_FILES = 256;
const BATCH_BYTES = 256 * 1024 * 1024;

function* batches(files: readonly File[]): Generator<File[]> {
  let batch: File[] = [];
  let bytes = 0;
  for (const file of files) {
    if (batch.length >= BATCH_FILES || (batch.length > 0 && bytes + file.size > BATCH_BYTES)) {
      yield batch;
      [batch, bytes] = [[], 0];
    }
    batch.push(file);
    bytes += file.size;
  }
  if (batch.length > 0) yield batch;
}

async function holdsCode(path: string): Promise<boolean> {
  const file = await open(path, "r");
  return startsAsCode(file).finally(() => file.close());
}

/** Debugfs leaves a file out where it cannot read it. */
async function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

async function* copyBatch(
  name: string,
  image: string,
  batch: readonly File[],
  { workspace }: Extraction,
): AsyncGenerator<Found> {
  const copies = batch.map((file) => ({ file, copy: workspace.next() }));
  await debugfs(
    image,
    copies.map(({ file, copy }) => `dump <${file.inode}> ${copy}`),
  );
  for (const { file, copy } of copies) {
    const fileName = `${name}!${printable(file.path)}`;
    if (!(await isThere(copy))) yield skipped(fileName, "debugfs cannot read it");
    else if (await holdsCode(copy)) yield found(fileName, copy, true);
    else await unlink(copy);
  }
}

export async function* findInExt4(
  name: string,
  image: string,
  extraction: Extraction,
): AsyncGenerator<Found> {
  const { limits } = extraction;
  try {
    const { files, unreadable } = await listFiles(image, limits);
    for (const { path } of unreadable) {
      yield skipped(`${name}!${printable(path)}/`, "debugfs cannot read this directory", true);
    }
    const wanted = files.filter(({ size }) => size >= MAGIC_SIZE && size <= limits.file);
    for (const { path, size } of files) {
      if (size > limits.file) yield skipped(`${name}!${printable(path)}`, `has ${size} bytes`);
    }
    for (const batch of batches(wanted)) yield* copyBatch(name, image, batch, extraction);
  } catch (error) {
    if (!(error instanceof ImageError)) throw error;
    yield skipped(name, error.message, true);
  }
}
