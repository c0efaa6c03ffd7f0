/**
 * EROFS through fsck.erofs, which can only write files out by their names. Before it does, all
 * directories are read here: an image with a name that could lead elsewhere is refused.
 * Source: Linux Documentation/filesystems/erofs.rst, fs/erofs/erofs_fs.h; fsck.erofs(1).
 */
import { open, type FileHandle } from "node:fs/promises";
import { resolve } from "node:path";
import type { Found } from "../candidate.ts";
import type { Extraction } from "../entries.ts";
import { ImageError, type Limits } from "../limits.ts";
import type { Tool } from "../tool.ts";
import { findExtracted } from "./extracted.ts";

const FSCK: Tool = { command: "fsck.erofs", package: "erofs-utils", reads: "EROFS" };

const SUPERBLOCK = 1024;
const SLOT = 32;
const DIRENT = 12;
const DIRECTORY = 0o040_000;
const FORMAT = 0o170_000;
/** A directory of a million files has some 30 MiB. */
const LARGEST_DIRECTORY = 256 * 1024 * 1024;

interface Volume {
  readonly file: FileHandle;
  readonly blockSize: number;
  readonly meta: number;
  readonly root: bigint;
}

async function readAt(file: FileHandle, at: number, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  const { bytesRead } = await file.read(bytes, 0, length, at);
  if (bytesRead < length) throw new ImageError(`EROFS: cut short at byte ${at + bytesRead}`);
  return bytes;
}

async function volumeOf(file: FileHandle): Promise<Volume> {
  const block = await readAt(file, SUPERBLOCK, 128);
  const bits = block[12] ?? 0;
  if (bits < 9 || bits > 16) throw new ImageError("EROFS: its superblock is damaged");
  const blockSize = 2 ** bits;
  const meta = block.readUInt32LE(40) * blockSize;
  return { file, blockSize, meta, root: BigInt(block.readUInt16LE(14)) };
}

interface Inode {
  readonly directory: boolean;
  readonly layout: number;
  readonly size: number;
  readonly block: number;
  /** Where what is stored beside the inode begins. */
  readonly beside: number;
}

async function inodeOf({ file, meta }: Volume, nid: bigint): Promise<Inode> {
  const at = meta + Number(nid) * SLOT;
  const bytes = await readAt(file, at, SLOT);
  const format = bytes.readUInt16LE(0);
  const extended = (format & 1) === 1;
  const attributes = bytes.readUInt16LE(2);
  return {
    directory: (bytes.readUInt16LE(4) & FORMAT) === DIRECTORY,
    layout: (format >> 1) & 7,
    size: extended ? Number(bytes.readBigUInt64LE(8)) : bytes.readUInt32LE(8),
    block: bytes.readUInt32LE(16),
    beside: at + (extended ? 64 : 32) + (attributes === 0 ? 0 : 12 + (attributes - 1) * 4),
  };
}

const PLAIN = 0;
const INLINE = 2;

/** A directory's bytes. Linux' own tools store them uncompressed. */
async function contentOf({ file, blockSize }: Volume, inode: Inode): Promise<Buffer> {
  const { layout, size, block, beside } = inode;
  if (size > LARGEST_DIRECTORY) throw new ImageError(`EROFS: a directory of ${size} bytes`);
  if (layout === PLAIN) return readAt(file, block * blockSize, size);
  if (layout !== INLINE) throw new ImageError("EROFS: a directory that is compressed");
  const whole = Math.floor(size / blockSize) * blockSize;
  const first = whole === 0 ? Buffer.alloc(0) : await readAt(file, block * blockSize, whole);
  return Buffer.concat([first, await readAt(file, beside, size - whole)]);
}

interface Dirent {
  readonly nid: bigint;
  readonly name: string;
}

/** Each block has its entries first, then their names up to the next one's. */
function* direntsOf(content: Buffer, blockSize: number): Generator<Dirent> {
  for (let at = 0; at < content.length; at += blockSize) {
    const block = content.subarray(at, at + blockSize);
    const first = block.length < DIRENT ? 0 : block.readUInt16LE(8);
    if (first < DIRENT || first % DIRENT !== 0 || first > block.length) {
      throw new ImageError("EROFS: a directory is damaged");
    }
    for (let i = 0; i < first; i += DIRENT) {
      const from = block.readUInt16LE(i + 8);
      const to = i + DIRENT < first ? block.readUInt16LE(i + DIRENT + 8) : block.length;
      if (from > to || to > block.length) throw new ImageError("EROFS: a directory is damaged");
      const [name = ""] = block.toString("latin1", from, to).split("\0");
      yield { nid: block.readBigUInt64LE(i), name };
    }
  }
}

/** Throws where a name is none, stands twice, or the tree has a circle. */
async function checkNames(volume: Volume, { entries }: Limits): Promise<void> {
  const seen = new Set([volume.root]);
  let count = 0;
  const pending = [volume.root];
  for (let nid = pending.pop(); nid !== undefined; nid = pending.pop()) {
    const content = await contentOf(volume, await inodeOf(volume, nid));
    const names = new Set<string>();
    for (const { nid: child, name } of direntsOf(content, volume.blockSize)) {
      count += 1;
      if (count > entries) throw new ImageError(`more than ${entries} files`);
      if (name === "" || name.includes("/") || names.has(name)) {
        throw new ImageError("EROFS: a name in it may lead elsewhere");
      }
      names.add(name);
      if (name === "." || name === "..") continue;
      if (!(await inodeOf(volume, child)).directory) continue;
      if (seen.has(child)) throw new ImageError("EROFS: a directory appears twice");
      seen.add(child);
      pending.push(child);
    }
  }
}

/** `image`: a file with nothing but the file system. */
export async function* findInErofs(
  name: string,
  image: string,
  extraction: Extraction,
): AsyncGenerator<Found> {
  const file = await open(image, "r");
  try {
    await checkNames(await volumeOf(file), extraction.limits);
  } finally {
    await file.close();
  }
  const argumentsFor = (folder: string) => [`--extract=${folder}`, resolve(image)];
  yield* findExtracted(name, FSCK, argumentsFor, extraction);
}
