/** What a file is by its first bytes. */
import { isElf } from "../elf/header.ts";
import { isMachineCode } from "../elf/machine-code.ts";

/** Enough for the magic numbers that stand farthest in: ISO 9660 at 32,769, btrfs at 65,600. */
const LONG_HEAD = 68 * 1024;
/** Enough for all others. */
const SHORT_HEAD = 2048;
/** Images whose magic number stands far in are never smaller. */
const LONG_FROM = 512 * 1024;

/** Bytes to look at of a file of some size. */
export function headSize(size: number): number {
  return size >= LONG_FROM ? LONG_HEAD : SHORT_HEAD;
}

function has(bytes: Buffer, offset: number, hex: string): boolean {
  return bytes.toString("hex", offset, offset + hex.length / 2) === hex;
}

const ascii = (text: string) => Buffer.from(text, "latin1").toString("hex");

export type Compression = "gzip" | "zstd" | "xz" | "bzip2" | "lz4" | "lzma" | "none";

const COMPRESSIONS: readonly (readonly [Compression, string])[] = [
  ["gzip", "1f8b08"],
  ["zstd", "28b52ffd"],
  ["xz", "fd377a585a00"],
  ["lz4", "02214c18"],
  ["lz4", "04224d18"],
];

/** A block's or the end's magic number follows: π, or its square root, in decimal. */
const BZIP2 = /^425a683[1-9](?:314159265359|177245385090)/;
/** Properties that every writer uses, a dictionary of some KiB or MiB, a size or all ones. */
const LZMA = /^5d0000[\da-f]{2}0[\da-f](?:f{16}|[\da-f]{10}0{6})/;

export function compressionOf(head: Buffer): Compression {
  const hex = head.toString("hex", 0, 16);
  const plain = COMPRESSIONS.find(([, magic]) => hex.startsWith(magic))?.[0];
  if (plain !== undefined) return plain;
  if (BZIP2.test(hex)) return "bzip2";
  return LZMA.test(hex) ? "lzma" : "none";
}

const [ISO_AT, ISO] = [32_769, ascii("CD001")];

/** Images and archives by where their magic number stands. */
const MAGICS = [
  // `debian-binary` is the first member of every package. Source: deb(5).
  ["deb", 0, ascii("!<arch>\ndebian-binary")],
  ["zip", 0, "504b0304"],
  ["zip", 0, "504b0506"],
  ["squashfs", 0, ascii("hsqs")],
  ["erofs", 1024, "e2e1f5e0"],
  ["ext4", 1080, "53ef"],
  ["xfs", 0, ascii("XFSB")],
  ["btrfs", 65_600, ascii("_BHRfS_M")],
  ["iso", ISO_AT, ISO],
  ["qcow2", 0, ascii("QFI\u00fb")],
  ["vmdk", 0, ascii("KDMV")],
  ["7z", 0, "377abcaf271c"],
  ["rpm", 0, "edabeedb"],
] as const;

/** What is known by name, and is to be made into something else before it can be read. */
const UNREADABLE = [
  [0, ascii("conectix"), "a VHD image: convert it with qemu-img convert -O raw"],
  [0, ascii("vhdxfile"), "a VHDX image: convert it with qemu-img convert -O raw"],
  [64, "7f10dabe", "a VDI image: convert it with qemu-img convert -O raw"],
  [0, ascii("# Disk DescriptorFile"), "a VMDK descriptor: convert it with qemu-img convert -O raw"],
  [0, ascii("LUKS\u00ba\u00be"), "encrypted with LUKS"],
  [512, ascii("LABELONE"), "an LVM volume: give the file systems in it"],
  [0, ascii("xar!"), "a xar archive: unpack it"],
  [0, ascii("Rar!"), "a RAR archive: unpack it"],
  [0, ascii("MSCF"), "a cabinet: unpack it"],
  [0, ascii("DWARFS"), "a DwarFS image: unpack it with dwarfsextract"],
] as const;

export type ImageKind = (typeof MAGICS)[number][0] | "tar" | "cpio" | "disk";

function octal(bytes: Buffer, start: number, length: number): number {
  const digits = bytes.toString("latin1", start, start + length).replace(/[\0 ]+$/, "");
  return /^ *[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : Number.NaN;
}

const BLOCK = 512;

/** Whether the checksum of a tar header is right. */
export function isTarHeader(block: Buffer): boolean {
  if (block.length < BLOCK || block[0] === 0) return false;
  let sum = 0;
  for (let i = 0; i < BLOCK; i++) sum += i >= 148 && i < 156 ? 32 : (block[i] ?? 0);
  return sum === octal(block, 148, 8);
}

export function isCpioHeader(head: Buffer): boolean {
  return /^07070[12]/.test(head.toString("latin1", 0, 6));
}

/**
 * A partition table: the boot signature, and entries that say either nothing or a start and a
 * size. Boot sectors of file systems have the signature too, and code where the entries would be.
 * Source: UEFI specification, 5.2.1 "Legacy Master Boot Record".
 */
function isDisk(head: Buffer): boolean {
  if (has(head, 512, ascii("EFI PART"))) return true;
  if (!has(head, 510, "55aa")) return false;
  const entries = [446, 462, 478, 494].map((at) => ({
    status: head[at] ?? 1,
    type: head[at + 4] ?? 0,
    sectors: head.readUInt32LE(at + 12),
  }));
  return (
    entries.every(({ status }) => status === 0 || status === 0x80) &&
    entries.some(({ type, sectors }) => type !== 0 && sectors !== 0)
  );
}

/** Undefined where it is no image; an ISO that also boots from a disk is an ISO. */
export function imageKindOf(head: Buffer): ImageKind | undefined {
  // The first AppImages are programs and ISO images in one. Any other number may stand in a program.
  if (isElf(head)) return has(head, ISO_AT, ISO) ? "iso" : undefined;
  const known = MAGICS.find(([, offset, magic]) => has(head, offset, magic))?.[0];
  if (known !== undefined) return known;
  if (isTarHeader(head)) return "tar";
  if (isCpioHeader(head)) return "cpio";
  return isDisk(head) ? "disk" : undefined;
}

/** Why something that is known by name cannot be read. */
export function unreadableKind(head: Buffer): string | undefined {
  return UNREADABLE.find(([offset, magic]) => has(head, offset, magic))?.[2];
}

/** Whether there may be machine code in a file. */
export function isOfInterest(head: Buffer): boolean {
  return (
    isMachineCode(head) ||
    compressionOf(head) !== "none" ||
    imageKindOf(head) !== undefined ||
    unreadableKind(head) !== undefined
  );
}
