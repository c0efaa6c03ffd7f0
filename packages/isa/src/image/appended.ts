/**
 * What stands behind the end of a program in its file: AppImages, self-extracting installers.
 * Source: AppImage specification, "Type 2 image format"; PyInstaller, "CArchive".
 */
import { withBytes, type ByteSource } from "../elf/bytes.ts";
import { ElfError } from "../elf/errors.ts";
import { readElf } from "../elf/file.ts";
import { isElf } from "../elf/header.ts";
import { SHT_NOBITS } from "../elf/tables.ts";
import type { FilePart } from "./pull.ts";

/** Signatures and links to debug information are smaller; no image is. */
const SMALLEST = 4096;
/** Images may begin where a block does. */
const ALIGNMENTS = [1, 16, 512, 4096];

/** Where the last part of a program ends that its own tables name. */
function endOf(source: ByteSource): number {
  const { header, segments, sections } = readElf(source);
  const ends = [
    ...segments.map(({ offset, fileSize }) => offset + fileSize),
    ...sections.map(({ type, offset, size }) => (type === SHT_NOBITS ? 0 : offset + size)),
    ...[header.segments, header.sections].map(
      ({ offset, count, entrySize }) => offset + count * entrySize,
    ),
  ];
  return ends.reduce((a, b) => Math.max(a, b), 0);
}

/** The last thing in an archive of PyInstaller's says where the archive is. */
const PYINSTALLER = Buffer.from("4d45490c0b0a0b0e", "hex");
const COOKIE_WITHIN = 8192;

export interface Appended {
  /** Where an image may begin. */
  readonly parts: readonly FilePart[];
  /** What is known to be there and cannot be read. */
  readonly unreadable: string | undefined;
}

const NOTHING: Appended = { parts: [], unreadable: undefined };

function appendedIn(path: string, source: ByteSource): Appended {
  const { size } = source;
  const end = endOf(source);
  if (size - end < SMALLEST) return NOTHING;
  const length = Math.min(size - end, COOKIE_WITHIN);
  const tail = source.read(size - length, length, "the file's end");
  if (tail.includes(PYINSTALLER)) {
    const unreadable = "a PyInstaller bundle: scan what it was made of, or the folder of --onedir";
    return { parts: [], unreadable };
  }
  const starts = new Set(ALIGNMENTS.map((align) => Math.ceil(end / align) * align));
  return {
    parts: [...starts].map((start) => ({ path, start, size: size - start })),
    unreadable: undefined,
  };
}

/** What may stand behind a program's end; nothing where it is no program, or damaged. */
export function appendedTo(path: string, head: Buffer): Appended {
  if (!isElf(head)) return NOTHING;
  try {
    return withBytes(path, (source) => appendedIn(path, source));
  } catch (error) {
    // Whoever scans the program says what is wrong with it.
    if (error instanceof ElfError) return NOTHING;
    throw error;
  }
}
