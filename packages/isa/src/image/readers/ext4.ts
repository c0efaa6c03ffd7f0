/**
 * Machine code in an ext4 image. Files are addressed by inode and copied out under numbers, so
 * that no name in the image is ever a name on this machine.
 */
import { stat, unlink } from "node:fs/promises";
import { resolve } from "node:path";
import { MAGIC_SIZE } from "../../elf/machine-code.ts";
import { unread, type Found } from "../candidate.ts";
import { findInFile, type Extraction } from "../entries.ts";
import { printable } from "../entry.ts";
import { pullExtents, type Extent } from "../extents.ts";
import { ImageError, type Limits } from "../limits.ts";
import { headSize, isOfInterest } from "../magic.ts";
import { pullFile, type FilePart, type Pull } from "../pull.ts";
import { runTool, type Tool } from "../tool.ts";
import { copyOut, tooLarge } from "../workspace.ts";

const DEBUGFS: Tool = { command: "debugfs", package: "e2fsprogs", reads: "ext4" };

/** libext2fs finds a file system inside of a disk by an offset after its name. */
function deviceOf({ path, start }: FilePart): string {
  return start === 0 ? resolve(path) : `${resolve(path)}?offset=${start}`;
}

/** What the commands print; one process per batch, which opens the image read-only. */
function debugfs(image: string, commands: readonly string[]): Promise<string> {
  return runTool(DEBUGFS, ["-f", "-", image], { input: `${commands.join("\n")}\n` });
}

interface Directory {
  readonly inode: string;
  readonly path: string;
}

interface File extends Directory {
  readonly size: number;
}

const ROOT: Directory = { inode: "2", path: "" };
/** `/12/100755/0/0/name/911904/`; directories have no size, and names may have newlines. */
const LINE = /^\/(\d+)\/(\d{6})\/\d+\/\d+\/([^/]*)\/(\d*)\/$/gm;
const REGULAR = 0o100_000;
const DIRECTORY = 0o040_000;
const FORMAT = 0o170_000;

const PROMPT = /^debugfs: ls -p <(\d+)>\n/gm;

/** The listings of several directories, in the order they were asked for. */
function split(output: string, level: readonly Directory[]): string[] {
  const asked = [...output.matchAll(PROMPT)].map(([, inode]) => inode);
  // A hostile name may look like a prompt: then no listing can be trusted.
  if (asked.join() !== level.map(({ inode }) => inode).join()) {
    throw new ImageError("a name in it makes its directories unreadable");
  }
  return output.split(/^debugfs: ls -p <\d+>\n/m).slice(1);
}

interface Listing {
  readonly files: File[];
  readonly directories: Directory[];
}

/** Undefined where debugfs could not read all of it: even an empty directory lists itself. */
function parseListing(parent: Directory, text = ""): Listing | undefined {
  const lines = [...text.matchAll(LINE)];
  const rest = text.replaceAll(LINE, "").replace("debugfs: ", "");
  if (!lines.some(([, , , name]) => name === ".") || rest.trim() !== "") return undefined;
  const files: File[] = [];
  const directories: Directory[] = [];
  for (const [, inode = "0", mode = "0", name = "", size = "0"] of lines) {
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
    const texts = split(output, level);
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
const BATCH_BYTES = 128 * 1024 * 1024;
/** Files from here on are looked at one by one. */
const LARGE = 32 * 1024 * 1024;

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

/** The file's first bytes; undefined where debugfs could not copy it. */
async function headOf(path: string): Promise<Buffer | undefined> {
  try {
    const { size } = await stat(path);
    const pull = await pullFile({ path, start: 0, size });
    return await pull.take(headSize(size)).finally(() => pull.close());
  } catch {
    return undefined;
  }
}

async function* copyBatch(
  name: string,
  image: string,
  batch: readonly File[],
  extraction: Extraction,
): AsyncGenerator<Found> {
  const copies = batch.map((file) => ({ file, copy: extraction.workspace.next() }));
  await debugfs(
    image,
    copies.map(({ file, copy }) => `dump <${file.inode}> ${copy}`),
  );
  for (const { file, copy } of copies) {
    const fileName = `${name}!${printable(file.path)}`;
    const head = await headOf(copy);
    if (head === undefined || head.length < Math.min(file.size, MAGIC_SIZE)) {
      yield unread(fileName, "debugfs cannot read it");
    } else if (isOfInterest(head)) {
      extraction.budget.spend(file.size);
      yield* findInFile(fileName, copy, head, extraction, true);
    } else await unlink(copy);
  }
}

/** The file system's size of a block. Source: Linux fs/ext4/ext4.h, s_log_block_size. */
async function blockSizeOf(part: FilePart): Promise<number> {
  const pull = await pullFile(part);
  const head = await pull.take(2048).finally(() => pull.close());
  return 1024 * 2 ** Math.min(head[1048] ?? 0, 6);
}

/** `(0-8):1234-1242`, `(9[u]):1300`: blocks of the file, not written yet, blocks of the image. */
const EXTENT = /\((\d+)(?:-(\d+))?(\[u\])?\):(\d+)/g;

async function extentsOf(part: FilePart, inode: string): Promise<Extent[]> {
  const text = await runTool(DEBUGFS, ["-R", `stat <${inode}>`, deviceOf(part)]);
  const blocks = /^(?:EXTENTS|BLOCKS):\n([^]*)/m.exec(text)?.[1] ?? "";
  const found = [...blocks.matchAll(EXTENT)];
  const stored = Number(/Blockcount: (\d+)/.exec(text)?.[1] ?? 1);
  if (found.length === 0 && stored > 0) throw new ImageError("debugfs cannot say where it lies");
  const size = await blockSizeOf(part);
  return found
    .filter(([, , , unwritten]) => unwritten === undefined)
    .map(([, first, last = first, , block]) => ({
      at: Number(first) * size,
      from: part.start + Number(block) * size,
      length: (Number(last) - Number(first) + 1) * size,
    }))
    .toSorted((a, b) => a.at - b.at);
}

/**
 * A large file is mostly no program: only its first bytes are read unless it is. Debugfs would
 * copy a sparse file with all its zeros.
 */
async function* copyLarge(
  name: string,
  part: FilePart,
  { inode, path, size }: File,
  extraction: Extraction,
): AsyncGenerator<Found> {
  const fileName = `${name}!${printable(path)}`;
  let pull: Pull | undefined;
  try {
    pull = await pullExtents(part.path, size, await extentsOf(part, inode));
    const head = await pull.take(headSize(size));
    if (!isOfInterest(head)) return;
    if (size > extraction.limits.file) {
      yield unread(fileName, tooLarge(size, extraction.limits));
      return;
    }
    const copy = await copyOut(pull, head, size, extraction);
    yield* findInFile(fileName, copy, head, extraction, true);
  } catch (error) {
    if (!(error instanceof ImageError)) throw error;
    yield unread(fileName, error.message);
  } finally {
    await pull?.close();
  }
}

export async function* findInExt4(
  name: string,
  part: FilePart,
  extraction: Extraction,
): AsyncGenerator<Found> {
  const image = deviceOf(part);
  try {
    const { files, unreadable } = await listFiles(image, extraction.limits);
    for (const { path } of unreadable) {
      yield unread(`${name}!${printable(path)}/`, "debugfs cannot read this directory");
    }
    const wanted = files.filter(({ size }) => size >= MAGIC_SIZE);
    const [small, large] = [
      wanted.filter(({ size }) => size <= LARGE),
      wanted.filter(({ size }) => size > LARGE),
    ];
    for (const batch of batches(small)) yield* copyBatch(name, image, batch, extraction);
    for (const file of large) yield* copyLarge(name, part, file, extraction);
  } catch (error) {
    if (!(error instanceof ImageError)) throw error;
    yield unread(name, error.message);
  }
}
