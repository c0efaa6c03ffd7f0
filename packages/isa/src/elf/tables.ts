/**
 * Segments and sections.
 * Source: System V ABI, chapters 4 and 5; elf(5) for extended numbering (PN_XNUM, SHN_XINDEX).
 */
import type { ByteSource } from "./bytes.ts";
import { badElf } from "./errors.ts";
import type { ElfHeader, TablePlace } from "./header.ts";
import { addressAt, sizeAt, textAt } from "./numbers.ts";

export const PT_LOAD = 1;
export const PT_DYNAMIC = 2;
export const PT_INTERP = 3;
export const PT_NOTE = 4;
export const PT_GNU_EH_FRAME = 0x6474_e550;
export const PT_GNU_RELRO = 0x6474_e552;
export const PT_GNU_PROPERTY = 0x6474_e553;

export const SHT_SYMTAB = 2;
export const SHT_RELA = 4;
export const SHT_NOTE = 7;
export const SHT_NOBITS = 8;
export const SHT_DYNSYM = 11;

export interface Segment {
  readonly type: number;
  readonly executable: boolean;
  readonly writable: boolean;
  readonly offset: number;
  readonly address: number;
  /** Bytes in the file; the rest of `memorySize` is zero. */
  readonly fileSize: number;
  readonly memorySize: number;
}

export interface Section {
  readonly index: number;
  readonly name: string;
  readonly type: number;
  readonly executable: boolean;
  /** Whether it is there when the program runs. */
  readonly allocated: boolean;
  readonly offset: number;
  readonly address: number;
  readonly size: number;
  readonly entrySize: number;
  readonly link: number;
  readonly info: number;
}

const SEGMENT_SIZE = 56;
const SECTION_SIZE = 64;
const PN_XNUM = 0xffff;
const SHN_XINDEX = 0xffff;

function entriesOf(source: ByteSource, place: TablePlace, size: number, where: string): Buffer[] {
  if (place.count === 0) return [];
  if (place.entrySize < size) badElf(where, `its entries have ${place.entrySize} bytes`);
  const bytes = source.read(place.offset, place.count * place.entrySize, where);
  return Array.from({ length: place.count }, (_, i) =>
    bytes.subarray(i * place.entrySize, i * place.entrySize + size),
  );
}

/** Section 0 has the counts that do not fit the header. */
function firstSection(source: ByteSource, { sections }: ElfHeader): Buffer | undefined {
  if (sections.offset === 0) return undefined;
  return source.read(sections.offset, SECTION_SIZE, "section header 0");
}

export function readSegments(source: ByteSource, header: ElfHeader): Segment[] {
  const where = "program header table";
  let { segments } = header;
  if (segments.count === PN_XNUM) {
    const count = firstSection(source, header)?.readUInt32LE(44) ?? 0;
    segments = { ...segments, count };
  }
  return entriesOf(source, segments, SEGMENT_SIZE, where).map((bytes) => ({
    type: bytes.readUInt32LE(0),
    executable: (bytes.readUInt32LE(4) & 1) !== 0,
    writable: (bytes.readUInt32LE(4) & 2) !== 0,
    offset: sizeAt(bytes, 8, where),
    address: addressAt(bytes, 16),
    fileSize: sizeAt(bytes, 32, where),
    memorySize: sizeAt(bytes, 40, where),
  }));
}

function sectionOf(bytes: Buffer, index: number): Omit<Section, "name"> & { nameAt: number } {
  const where = `section header ${index}`;
  const flags = bytes.readUInt32LE(8);
  return {
    index,
    nameAt: bytes.readUInt32LE(0),
    type: bytes.readUInt32LE(4),
    allocated: (flags & 2) !== 0,
    executable: (flags & 4) !== 0,
    address: addressAt(bytes, 16),
    offset: sizeAt(bytes, 24, where),
    size: sizeAt(bytes, 32, where),
    link: bytes.readUInt32LE(40),
    info: bytes.readUInt32LE(44),
    entrySize: sizeAt(bytes, 56, where),
  };
}

export function readSections(source: ByteSource, header: ElfHeader): Section[] {
  const where = "section header table";
  if (header.sections.offset === 0) return [];
  let { sections, sectionNames } = header;
  const first = firstSection(source, header);
  if (sections.count === 0 && first !== undefined) {
    sections = { ...sections, count: sizeAt(first, 32, where) };
  }
  if (sectionNames === SHN_XINDEX && first !== undefined) sectionNames = first.readUInt32LE(40);
  const raw = entriesOf(source, sections, SECTION_SIZE, where).map(sectionOf);
  const names = raw[sectionNames];
  const texts =
    names === undefined || names.type === SHT_NOBITS
      ? Buffer.alloc(0)
      : source.read(names.offset, names.size, "section names");
  return raw.map(({ nameAt, ...section }) => ({ ...section, name: textAt(texts, nameAt) }));
}
