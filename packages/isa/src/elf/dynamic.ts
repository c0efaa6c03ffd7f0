/**
 * What the dynamic linker is told: names of libraries, constructors, and which slot of the GOT
 * belongs to which symbol. Source: System V ABI, "Dynamic Linking"; x86-64 psABI, "Relocation".
 */
import type { Image } from "./image.ts";
import { checkTable } from "./bytes.ts";
import { attempt, bytesAtAddress, sectionBytes, type ElfFile } from "./file.ts";
import { addressAt, addressOf } from "./numbers.ts";
import { symbolTable, type ElfSymbol } from "./symbols.ts";
import { PT_DYNAMIC, PT_INTERP, SHT_DYNSYM, SHT_RELA, type Section } from "./tables.ts";

export interface Relocation {
  /** The address that is written. */
  readonly place: number;
  readonly type: number;
  readonly symbol: ElfSymbol | undefined;
  readonly addend: number;
}

const RELA_SIZE = 24;
/** Relocations that write a code or data address that is known here. */
const R_X86_64_RELATIVE = 8;
export const R_X86_64_IRELATIVE = 37;

/** Relocations that leave an address of this file, of which large programs have a million. */
export interface Pointers {
  /** Sorted. */
  readonly places: Float64Array;
  readonly values: Float64Array;
}

export interface Relocations {
  /** All but R_X86_64_RELATIVE. */
  readonly named: readonly Relocation[];
  /** Places and what they hold, in turn. */
  readonly relative: readonly number[];
}

interface Collected {
  readonly named: Relocation[];
  readonly relative: number[];
}

function collect(
  bytes: Buffer,
  symbolAt: (index: number) => ElfSymbol | undefined,
  into: Collected,
): void {
  for (let at = 0; at + RELA_SIZE <= bytes.length; at += RELA_SIZE) {
    const [place, type] = [addressAt(bytes, at), bytes.readUInt32LE(at + 8)];
    const addend = addressAt(bytes, at + 16);
    if (type === R_X86_64_RELATIVE) into.relative.push(place, addend);
    else into.named.push({ place, type, symbol: symbolAt(bytes.readUInt32LE(at + 12)), addend });
  }
}

function collectSection(elf: ElfFile, section: Section, into: Collected): void {
  checkTable(section.size, section.name);
  const table = elf.sections[section.link];
  const symbols = table?.type === SHT_DYNSYM ? symbolTable(elf, table) : undefined;
  const symbolAt = (i: number) =>
    symbols === undefined || i === 0 || i >= symbols.count ? undefined : symbols.symbolAt(i);
  collect(sectionBytes(elf, section), symbolAt, into);
}

/** A file without sections: those that need no symbols. */
function collectSegment(elf: ElfFile, into: Collected): void {
  const entries = dynamicEntries(elf);
  const [start, size] = [entries.get(DT_RELA), entries.get(DT_RELASZ) ?? 0];
  if (start === undefined) return;
  checkTable(size, "DT_RELA");
  const bytes = bytesAtAddress(elf, start, size, "DT_RELA") ?? Buffer.alloc(0);
  collect(bytes, () => undefined, into);
}

/** Relocations that the dynamic linker applies. */
export function readRelocations(elf: ElfFile): Relocations {
  const into: Collected = { named: [], relative: [] };
  if (elf.sections.length === 0) attempt(elf.problems, () => collectSegment(elf, into), undefined);
  for (const section of elf.sections) {
    if (section.type !== SHT_RELA || !section.allocated) continue;
    attempt(elf.problems, () => collectSection(elf, section, into), undefined);
  }
  return into;
}

const DT_RELA = 7;
const DT_RELASZ = 8;
const DT_INIT = 12;
const DT_FINI = 13;
const DT_SONAME = 14;
const DT_FLAGS_1 = 0x6fff_fffb;
const DF_1_PIE = 0x0800_0000;
const DT_INIT_ARRAY = 25;
const DT_INIT_ARRAYSZ = 27;
const DT_FINI_ARRAY = 26;
const DT_FINI_ARRAYSZ = 28;
const DT_PREINIT_ARRAY = 32;
const DT_PREINIT_ARRAYSZ = 33;
/** SHT_INIT_ARRAY, SHT_FINI_ARRAY, SHT_PREINIT_ARRAY. */
const ARRAYS: ReadonlySet<number> = new Set([14, 15, 16]);
const DT_RELR = 36;
const DT_RELRSZ = 35;

/** Values of dynamic entries by their tags; the last one of a tag wins. */
function dynamicEntries(elf: ElfFile): Map<number, number> {
  const segment = elf.segments.find(({ type }) => type === PT_DYNAMIC);
  if (segment === undefined) return new Map();
  const read = () => elf.source.read(segment.offset, segment.fileSize, "dynamic segment");
  const bytes = attempt(elf.problems, read, Buffer.alloc(0));
  const entries = new Map<number, number>();
  for (let at = 0; at + 16 <= bytes.length; at += 16) {
    const tag = addressAt(bytes, at);
    if (tag === 0) break;
    entries.set(tag, addressAt(bytes, at + 8));
  }
  return entries;
}

/**
 * Whether a position-independent file is a program rather than a library: linkers mark it, and
 * older ones at least give libraries a name by which others link to them.
 */
export function isMarkedProgram(elf: ElfFile): boolean {
  const entries = dynamicEntries(elf);
  const flags = entries.get(DT_FLAGS_1) ?? 0;
  if (Math.floor(flags / DF_1_PIE) % 2 === 1) return true;
  return !entries.has(DT_SONAME) && elf.segments.some(({ type }) => type === PT_INTERP);
}

/** No program has as many; a hostile one may say so. */
const MOST_CONSTRUCTORS = 100_000;

/** An array of functions. Static programs have no dynamic entries, and sections of these types. */
interface FunctionArray {
  readonly start: number;
  readonly size: number;
}

function arraysOf(elf: ElfFile, entries: ReadonlyMap<number, number>): FunctionArray[] {
  const named = [
    [DT_PREINIT_ARRAY, DT_PREINIT_ARRAYSZ],
    [DT_INIT_ARRAY, DT_INIT_ARRAYSZ],
    [DT_FINI_ARRAY, DT_FINI_ARRAYSZ],
  ] as const;
  const dynamic = named.map(([start, size]) => ({
    start: entries.get(start) ?? 0,
    size: entries.get(size) ?? 0,
  }));
  const sections = elf.sections
    .filter(({ type }) => ARRAYS.has(type))
    .map(({ address, size }) => ({ start: address, size }));
  return dynamic.some(({ size }) => size > 0) ? dynamic : sections;
}

/** Functions that run before `main` and after it: DT_INIT, DT_FINI, and the arrays of others. */
export function readConstructors(elf: ElfFile, image: Image): readonly number[] {
  const entries = dynamicEntries(elf);
  const listed = arraysOf(elf, entries).flatMap(({ start, size }) => {
    const count = Math.min(Math.floor(size / 8), MOST_CONSTRUCTORS);
    return Array.from({ length: count }, (_, i) => {
      const place = start + i * 8;
      return image.pointerAt(place) ?? image.numberAt(place, 8) ?? 0;
    });
  });
  const single = [DT_INIT, DT_FINI].flatMap((tag) => entries.get(tag) ?? []);
  return [...single, ...listed].filter((address) => address !== 0);
}

/** Places that DT_RELR moves: each holds an address of this file. */
export function readRelativePlaces(elf: ElfFile): number[] {
  const entries = dynamicEntries(elf);
  const [start, size] = [entries.get(DT_RELR), entries.get(DT_RELRSZ) ?? 0];
  if (start === undefined) return [];
  const read = () => {
    checkTable(size * 8, "DT_RELR");
    return bytesAtAddress(elf, start, size, "DT_RELR") ?? Buffer.alloc(0);
  };
  const bytes = attempt(elf.problems, read, Buffer.alloc(0));
  const places: number[] = [];
  let next = 0;
  for (let at = 0; at + 8 <= bytes.length; at += 8) {
    const word = bytes.readBigUInt64LE(at);
    if ((word & 1n) === 0n) {
      places.push(addressOf(word));
      next = addressOf(word) + 8;
      continue;
    }
    for (let bit = 0; bit < 63; bit++) {
      if ((word >> BigInt(bit + 1)) & 1n) places.push(next + bit * 8);
    }
    next += 63 * 8;
  }
  return places;
}
