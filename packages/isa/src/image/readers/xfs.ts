/**
 * XFS: xfs_db says where files lie, their bytes are read from the image itself.
 * Source: xfs_db(8), commands ls, bmap and sb.
 */
import { resolve } from "node:path";
import { MAGIC_SIZE } from "../../elf/machine-code.ts";
import { unread, type Found } from "../candidate.ts";
import { extractAll, type Extraction } from "../entries.ts";
import { printable, type Entry } from "../entry.ts";
import { pullExtents, type Extent } from "../extents.ts";
import { ImageError, type Limits } from "../limits.ts";
import { runTool, type Tool } from "../tool.ts";

const XFS_DB: Tool = { command: "xfs_db", package: "xfsprogs", reads: "XFS" };

/** What the commands about each inode print. Throws where a hostile name muddles it. */
async function ask(image: string, inodes: readonly string[], commands: string): Promise<string[]> {
  const input = inodes.map((inode) => `echo @${inode}@\ninode ${inode}\n${commands}\n`).join("");
  // It complains about damaged inodes and goes on: what is missing is noticed below.
  const output = await runTool(XFS_DB, ["-r", "-f", resolve(image)], { input });
  const texts = output.split(/^@\d+@ ?\n/m);
  const asked = [...output.matchAll(/^@(\d+)@ ?\n/gm)].map(([, inode]) => inode);
  if (asked.join() !== inodes.join()) {
    throw new ImageError("XFS: a name in it makes its directories unreadable");
  }
  return texts.slice(1);
}

interface Geometry {
  readonly blockSize: number;
  readonly groupBlocks: number;
  readonly root: string;
}

async function geometryOf(image: string): Promise<Geometry> {
  const input = "sb 0\nprint blocksize agblocks rootino\n";
  const output = await runTool(XFS_DB, ["-r", "-f", resolve(image)], { input });
  const field = (name: string) => new RegExp(`^${name} = (\\d+)$`, "m").exec(output)?.[1];
  const [blockSize, groupBlocks, root] = [field("blocksize"), field("agblocks"), field("rootino")];
  if (blockSize === undefined || groupBlocks === undefined || root === undefined) {
    throw new ImageError("XFS: its superblock is damaged");
  }
  return { blockSize: Number(blockSize), groupBlocks: Number(groupBlocks), root };
}

interface Named {
  readonly inode: string;
  readonly path: string;
}

interface Listing {
  readonly files: Named[];
  readonly directories: Named[];
}

/** `12 655489 regular 0x0e9cbae5 4 true (good)`: the name's length comes before it. */
const ROW = /^\d+ +(\d+) +(\w+) +0x[\da-f]+ +(\d+) /;

/** Undefined where not all of it is understood. */
function parseListing(parent: string, text: string): Listing | undefined {
  const bytes = Buffer.from(text, "utf8");
  const [files, directories]: [Named[], Named[]] = [[], []];
  let self = false;
  for (let at = 0; at < bytes.length;) {
    const [head, inode = "", type, length] = ROW.exec(bytes.toString("latin1", at, at + 128)) ?? [];
    if (head === undefined) return undefined;
    const end = at + head.length + Number(length);
    const name = bytes.toString("utf8", at + head.length, end);
    const [mark] = / \((?:good|corrupt)\)\n/.exec(bytes.toString("latin1", end, end + 16)) ?? [];
    if (mark === undefined || mark.includes("corrupt")) return undefined;
    at = end + mark.length;
    if (name === ".") self = true;
    if (name === "." || name === "..") continue;
    if (type === "regular") files.push({ inode, path: `${parent}${name}` });
    if (type === "directory") directories.push({ inode, path: `${parent}${name}/` });
  }
  return self ? { files, directories } : undefined;
}

/** Inodes of one process: enough to need few, few enough for memory. */
const BATCH = 2000;

function* batches<T>(all: readonly T[]): Generator<readonly T[]> {
  for (let at = 0; at < all.length; at += BATCH) yield all.slice(at, at + BATCH);
}

interface Contents {
  readonly files: readonly Named[];
  readonly unreadable: readonly Named[];
}

async function listFiles(image: string, root: string, limits: Limits): Promise<Contents> {
  const files = new Map<string, Named>();
  const unreadable: Named[] = [];
  const seen = new Set([root]);
  for (let level: Named[] = [{ inode: root, path: "" }]; level.length > 0;) {
    const next: Named[] = [];
    for (const batch of batches(level)) {
      const texts = await ask(
        image,
        batch.map(({ inode }) => inode),
        "ls",
      );
      for (const [i, directory] of batch.entries()) {
        const listing = parseListing(directory.path, texts[i] ?? "");
        if (listing === undefined) unreadable.push(directory);
        for (const file of listing?.files ?? []) {
          if (!files.has(file.inode)) files.set(file.inode, file);
        }
        next.push(...(listing?.directories ?? []));
      }
      if (files.size + seen.size > limits.entries) {
        throw new ImageError(`more than ${limits.entries} files`);
      }
    }
    // A damaged image may have a directory inside itself.
    level = next.filter(({ inode }) => !seen.has(inode));
    for (const { inode } of level) seen.add(inode);
  }
  return { files: [...files.values()], unreadable };
}

const EXTENT = /^data offset (\d+) startblock \d+ \((\d+)\/(\d+)\) count (\d+) flag ([01])$/gm;

function extentsOf(text: string, { blockSize, groupBlocks }: Geometry): Extent[] {
  return [...text.matchAll(EXTENT)]
    .map(([, offset, group, block, count, flag]) => ({
      at: Number(offset) * blockSize,
      from: (Number(group) * groupBlocks + Number(block)) * blockSize,
      length: Number(count) * blockSize,
      unwritten: flag === "1",
    }))
    .filter(({ unwritten }) => !unwritten)
    .toSorted((a, b) => a.at - b.at);
}

/** Why a file cannot be read, by what xfs_db prints of its inode. */
function unreadableBy(text: string): string | undefined {
  if (!/^core\.size = \d+$/m.test(text)) return "xfs_db cannot read it";
  return /^core\.realtime = 1$/m.test(text) ? "it lies on a realtime device" : undefined;
}

async function* entriesOf(
  image: string,
  files: readonly Named[],
  geometry: Geometry,
): AsyncGenerator<Entry> {
  for (const batch of batches(files)) {
    const texts = await ask(
      image,
      batch.map(({ inode }) => inode),
      "print core.size core.realtime\nbmap",
    );
    for (const [i, { path }] of batch.entries()) {
      const text = texts[i] ?? "";
      const size = Number(/^core\.size = (\d+)$/m.exec(text)?.[1] ?? MAGIC_SIZE);
      const unreadable = unreadableBy(text);
      const body = await pullExtents(image, size, extentsOf(text, geometry));
      const why = unreadable === undefined ? {} : { unreadable };
      yield { path, kind: "file", size, body, offset: 0, ...why };
      await body.close();
    }
  }
}

/** `image`: a file with nothing but the file system. */
export async function* findInXfs(
  name: string,
  image: string,
  extraction: Extraction,
): AsyncGenerator<Found> {
  const geometry = await geometryOf(image);
  const { files, unreadable } = await listFiles(image, geometry.root, extraction.limits);
  for (const { path } of unreadable) {
    yield unread(`${name}!/${printable(path)}`, "xfs_db cannot read this directory");
  }
  yield* extractAll(name, entriesOf(image, files, geometry), extraction);
}
