/** Finds machine code under a path that a user names, whatever kind of thing is there. */
import { rm, stat } from "node:fs/promises";
import { isMachineCode } from "../elf/machine-code.ts";
import { found, unread, type Found } from "./candidate.ts";
import { extractAll, findAppended, type Extraction } from "./entries.ts";
import { printable, type Entry } from "./entry.ts";
import { pullExpanded, smallHead } from "./expand.ts";
import { budgetFor, ImageError } from "./limits.ts";
import {
  compressionOf,
  headSize,
  imageKindOf,
  isOfInterest,
  unreadableKind,
  type Compression,
  type ImageKind,
} from "./magic.ts";
import { directoryImages, findInImages, tarImages } from "./oci.ts";
import { headOf, pullFile, wholeFile, type FilePart, type Pull } from "./pull.ts";
import { findInBtrfs } from "./readers/btrfs.ts";
import { cpioSequence } from "./readers/cpio.ts";
import { dataOfDeb } from "./readers/deb.ts";
import { findInDisk, plainDisk } from "./readers/disk.ts";
import { findInErofs } from "./readers/erofs.ts";
import { findInExt4 } from "./readers/ext4.ts";
import { findByLibarchive } from "./readers/libarchive.ts";
import { findInRpm } from "./readers/rpm.ts";
import { findInSquashfs } from "./readers/squashfs.ts";
import { wholeTar } from "./readers/tar.ts";
import { findInXfs } from "./readers/xfs.ts";
import { findInZip } from "./readers/zip.ts";
import { findInTree } from "./tree.ts";
import { copyOut, type CopyTo } from "./workspace.ts";

/** A part as a file of its own, for tools that know nothing of parts. */
async function* onDisk(
  part: FilePart,
  extraction: Extraction,
  find: (path: string) => AsyncGenerator<Found>,
): AsyncGenerator<Found> {
  if (part.start === 0 && part.size === (await wholeFile(part.path)).size) {
    yield* find(part.path);
    return;
  }
  // A partition may well be larger than any program.
  const roomy = { ...extraction, limits: { ...extraction.limits, file: Infinity } };
  const pull = await pullFile(part);
  const path = await copyOut(pull, Buffer.alloc(0), part.size, roomy).finally(() => pull.close());
  try {
    yield* find(path);
  } finally {
    await rm(path, { force: true });
  }
}

async function* findInTar(
  name: string,
  part: FilePart,
  compression: Compression,
  extraction: Extraction,
): AsyncGenerator<Found> {
  const images = await tarImages(part, compression, extraction);
  if (images !== undefined) {
    yield* findInImages(name, images, extraction);
    return;
  }
  const pull = await pullExpanded(part, compression, extraction.limits);
  try {
    yield* extractAll(name, wholeTar(pull, extraction.limits), extraction);
  } finally {
    await pull.close();
  }
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

async function* findInVirtualDisk(
  name: string,
  path: string,
  format: "qcow2" | "vmdk",
  extraction: Extraction,
): AsyncGenerator<Found> {
  const disk = await plainDisk(path, format, extraction);
  try {
    yield* findInPart(name, disk, { ...extraction, named: true });
  } finally {
    await rm(disk.path, { force: true });
  }
}

type Reader = (name: string, part: FilePart, extraction: Extraction) => AsyncGenerator<Found>;

/** A reader whose tool wants a file with nothing but the image. */
function whole(
  find: (name: string, path: string, extraction: Extraction) => AsyncGenerator<Found>,
): Reader {
  return (name, part, extraction) =>
    onDisk(part, extraction, (path) => find(name, path, extraction));
}

const READERS: Readonly<Record<Exclude<ImageKind, "tar" | "cpio">, Reader>> = {
  deb: async function* (name, part, extraction) {
    yield* findInPart(name, await dataOfDeb(part), { ...extraction, named: true });
  },
  zip: whole(findInZip),
  squashfs: findInSquashfs,
  erofs: whole(findInErofs),
  ext4: findInExt4,
  xfs: whole(findInXfs),
  btrfs: whole(findInBtrfs),
  iso: whole((name, path, extraction) => findByLibarchive(name, path, "ISO 9660", extraction)),
  "7z": whole((name, path, extraction) => findByLibarchive(name, path, "7-Zip", extraction)),
  rpm: whole(findInRpm),
  qcow2: whole((name, path, extraction) => findInVirtualDisk(name, path, "qcow2", extraction)),
  vmdk: whole((name, path, extraction) => findInVirtualDisk(name, path, "vmdk", extraction)),
  disk: (name, part, extraction) => findInDisk(name, part, extraction, findInPart),
};

/** What nothing is known of: a file that the user named was not read, one in an image is a file. */
function* unknown(name: string, head: Buffer, { named }: Extraction): Generator<Found> {
  const why = unreadableKind(head);
  if (why !== undefined) yield unread(name, why);
  else if (named) yield unread(name, "neither machine code nor a readable image");
}

/** Compressed: archives are read as they expand, all else is expanded to disk first. */
async function* findInCompressed(
  name: string,
  part: FilePart,
  compression: Compression,
  extraction: Extraction,
): AsyncGenerator<Found> {
  const small = await smallHead(part, compression, headSize(Infinity));
  if (small !== undefined && !extraction.named && !isOfInterest(small)) return;
  const pull = await pullExpanded(part, compression, extraction.limits);
  let copy: FilePart | undefined;
  try {
    const head = await pull.take(headSize(Infinity));
    const kind = imageKindOf(head);
    if (kind === "tar") yield* findInTar(name, part, compression, extraction);
    else if (kind === "cpio") yield* findInInitramfs(name, part, compression, extraction);
    else if (kind !== undefined || isMachineCode(head)) {
      copy = await wholeFile(await copyOut(pull, head, undefined, extraction));
      if (kind === undefined) yield found(name, copy.path, true);
      else yield* READERS[kind](name, copy, extraction);
    } else if (compressionOf(head) !== "none")
      yield unread(name, "compressed twice: expand it once");
    else yield* unknown(name, head, extraction);
    if (kind === undefined) copy = undefined;
  } finally {
    await pull.close();
    if (copy !== undefined) await rm(copy.path, { force: true });
  }
}

async function* findInPart(
  name: string,
  part: FilePart,
  extraction: Extraction,
): AsyncGenerator<Found> {
  const head = await headOf(part);
  const compression = compressionOf(head);
  const kind = imageKindOf(head);
  if (compression !== "none") yield* findInCompressed(name, part, compression, extraction);
  else if (kind === "tar") yield* findInTar(name, part, "none", extraction);
  else if (kind === "cpio") yield* findInInitramfs(name, part, "none", extraction);
  else if (kind !== undefined) yield* READERS[kind](name, part, extraction);
  else if (part.start === 0 && isMachineCode(head)) {
    yield* findAppended(name, part.path, head, extraction);
    yield found(name, part.path, false);
  } else yield* unknown(name, head, extraction);
}

async function* findAt(path: string, name: string, to: Omit<CopyTo, "budget">) {
  const info = await stat(path);
  const budget = budgetFor(info.isFile() ? info.size : undefined, to.limits);
  const extraction = { ...to, budget, depth: 0, named: true, inside: findInPart };
  if (info.isDirectory()) {
    const images = await directoryImages(path, to.limits);
    if (images === undefined) yield* findInTree(path, extraction);
    else yield* findInImages(name, images, extraction);
  } else if (info.isFile()) yield* findInPart(name, await wholeFile(path), extraction);
  else yield unread(name, "neither a file nor a directory");
}

/** Everything under a path; what is wrong with it is part of the answer. */
export async function* findUnder(path: string, to: Omit<CopyTo, "budget">): AsyncGenerator<Found> {
  const name = printable(path);
  try {
    yield* findAt(path, name, to);
  } catch (error) {
    const known = error instanceof ImageError || (error instanceof Error && "syscall" in error);
    if (!known) throw error;
    yield unread(name, error.message);
  }
}
