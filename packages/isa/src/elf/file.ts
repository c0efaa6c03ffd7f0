/** An ELF file: its header and tables, and what of it could not be read. */
import type { ByteSource } from "./bytes.ts";
import { ElfError } from "./errors.ts";
import { readHeader, type ElfHeader } from "./header.ts";
import {
  PT_LOAD,
  readSections,
  readSegments,
  SHT_NOBITS,
  type Section,
  type Segment,
} from "./tables.ts";

/** A part of a file that is damaged; the rest is still read. */
export interface ElfProblem {
  readonly where: string;
  readonly message: string;
}

export interface ElfFile {
  readonly source: ByteSource;
  readonly header: ElfHeader;
  readonly segments: readonly Segment[];
  readonly sections: readonly Section[];
  /** Grows as more parts are read. */
  readonly problems: ElfProblem[];
}

/** Reads a part, or notes why it cannot be read and goes on with nothing. */
export function attempt<T>(problems: ElfProblem[], read: () => T, otherwise: T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof ElfError)) throw error;
    problems.push({ where: error.where, message: error.message });
    return otherwise;
  }
}

/** Throws `NOT_ELF`, and `BAD_ELF` for a header that cannot be read. */
export function readElf(source: ByteSource): ElfFile {
  const header = readHeader(source);
  const problems: ElfProblem[] = [];
  const segments = attempt(problems, () => readSegments(source, header), []);
  const sections = attempt(problems, () => readSections(source, header), []);
  return { source, header, segments, sections, problems };
}

/** The bytes of a section as the file has them. Throws `BAD_ELF`. */
export function sectionBytes({ source }: ElfFile, section: Section): Buffer {
  if (section.type === SHT_NOBITS) return Buffer.alloc(0);
  return source.read(section.offset, section.size, section.name || `section ${section.index}`);
}

/** The address at which a byte of the file is loaded; undefined where it is not. */
export function addressOfOffset({ segments }: ElfFile, offset: number): number | undefined {
  const segment = segments.find(
    (s) => s.type === PT_LOAD && offset >= s.offset && offset < s.offset + s.fileSize,
  );
  return segment === undefined ? undefined : segment.address + (offset - segment.offset);
}

/** Up to `length` bytes at an address; fewer where the segment ends; undefined where it has none. */
export function bytesAtAddress(
  elf: ElfFile,
  address: number,
  length: number,
  where: string,
): Buffer | undefined {
  const segment = elf.segments.find(
    (s) => s.type === PT_LOAD && address >= s.address && address < s.address + s.fileSize,
  );
  if (segment === undefined) return undefined;
  const skip = address - segment.address;
  return elf.source.read(
    segment.offset + skip,
    Math.min(length, segment.fileSize - skip, Math.max(0, elf.source.size - segment.offset - skip)),
    where,
  );
}
