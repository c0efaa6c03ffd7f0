/** The parts of a file that hold instructions, at the addresses where functions are known by. */
import { attempt, sectionBytes, type ElfFile } from "../elf/file.ts";
import type { Range } from "../elf/frames.ts";
import { NO_ADDRESS } from "../elf/numbers.ts";
import { PT_LOAD, SHT_NOBITS, type Section } from "../elf/tables.ts";

export interface Region {
  readonly name: string;
  readonly start: number;
  /** Not included. */
  readonly end: number;
  readonly bytes: Buffer;
}

export interface Layout {
  /** Sorted by address. */
  readonly regions: readonly Region[];
  /** The address of an offset in a section: where relocatable files' sections are put apart. */
  readonly addressIn: (section: number, value: number) => number;
}

/** Sections of a relocatable file all start at 0: each gets room of its own. */
const APART = 0x1000;

function holdsCode({ executable, type, size, address }: Section): boolean {
  return executable && type !== SHT_NOBITS && size > 0 && address !== NO_ADDRESS;
}

function regionOf(elf: ElfFile, section: Section, start: number): Region[] {
  const bytes = attempt(elf.problems, () => sectionBytes(elf, section), Buffer.alloc(0));
  if (bytes.length === 0) return [];
  return [{ name: section.name, start, end: start + bytes.length, bytes }];
}

function relocatableLayout(elf: ElfFile): Layout {
  const bases = new Map<number, number>();
  let next = APART;
  const regions = elf.sections.filter(holdsCode).flatMap((section) => {
    bases.set(section.index, next);
    const found = regionOf(elf, section, next);
    next = Math.ceil((next + section.size + APART) / APART) * APART;
    return found;
  });
  return {
    regions,
    addressIn: (section, value) => (bases.get(section) ?? NO_ADDRESS) + value,
  };
}

/** A file whose section table was removed still says which segments are executable. */
function segmentRegions(elf: ElfFile): Region[] {
  return elf.segments
    .filter(({ type, executable, fileSize }) => type === PT_LOAD && executable && fileSize > 0)
    .flatMap(({ offset, address, fileSize }) => {
      const read = () => elf.source.read(offset, fileSize, "executable segment");
      const bytes = attempt(elf.problems, read, Buffer.alloc(0));
      return [{ name: "segment", start: address, end: address + bytes.length, bytes }];
    })
    .filter(({ bytes }) => bytes.length > 0);
}

/** `.plt`, `.plt.got`, `.plt.sec`; psABI, "Procedure Linkage Table". */
export function isLinkageTable(name: string): boolean {
  return name === ".plt" || name.startsWith(".plt.");
}

/** Linkers that leave an entry's size out make them this long. */
const STUB_BYTES = 16;

/** The entries of the linkage tables, each of which is a function. */
export function stubsOf(elf: ElfFile): Range[] {
  if (elf.header.type === "relocatable") return [];
  return elf.sections
    .filter((section) => holdsCode(section) && isLinkageTable(section.name))
    .flatMap(({ address, size, entrySize }) => {
      const step = entrySize >= 8 ? entrySize : STUB_BYTES;
      const count = Math.floor(Math.min(size, elf.source.size) / step);
      return Array.from({ length: count }, (_, i) => {
        const start = address + i * step;
        return { start, end: start + step };
      });
    });
}

export function layoutOf(elf: ElfFile): Layout {
  if (elf.header.type === "relocatable") return relocatableLayout(elf);
  const sections = elf.sections.filter(holdsCode);
  const regions =
    sections.length > 0
      ? sections.flatMap((section) => regionOf(elf, section, section.address))
      : segmentRegions(elf);
  return {
    regions: regions.toSorted((a, b) => a.start - b.start),
    addressIn: (_, value) => value,
  };
}

export function regionAt(regions: readonly Region[], address: number): Region | undefined {
  return regions.find(({ start, end }) => address >= start && address < end);
}
