/**
 * What the dynamic linker is told: names of libraries, constructors, and which slot of the GOT
 * belongs to which symbol. Source: System V ABI, "Dynamic Linking"; x86-64 psABI, "Relocation".
 */
import { checkTable } from "./bytes.ts";
import { attempt, bytesAtAddress, sectionBytes, type ElfFile } from "./file.ts";
import { addressAt, addressOf } from "./numbers.ts";
import { symbolsOf, type ElfSymbol } from "./symbols.ts";
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
export const R_X86_64_RELATIVE = 8;
export const R_X86_64_IRELATIVE = 37;

function relocationsOf(elf: ElfFile, section: Section): Relocation[] {
  checkTable(section.size, section.name);
  const bytes = sectionBytes(elf, section);
  const table = elf.sections[section.link];
  const symbols = table?.type === SHT_DYNSYM ? symbolsOf(elf, table) : [];
  return Array.from({ length: Math.floor(bytes.length / RELA_SIZE) }, (_, i) => {
    const at = i * RELA_SIZE;
    const index = bytes.readUInt32LE(at + 12);
    return {
      place: addressAt(bytes, at),
      type: bytes.readUInt32LE(at + 8),
      symbol: index === 0 ? undefined : symbols[index],
      addend: addressOf(bytes.readBigUInt64LE(at + 16)),
    };
  });
}

/** Relocations that the dynamic linker applies. */
export function readRelocations(elf: ElfFile): Relocation[] {
  if (elf.sections.length === 0) return relocationsBySegment(elf);
  return elf.sections
    .filter(({ type, allocated }) => type === SHT_RELA && allocated)
    .flatMap((section) => attempt(elf.problems, () => relocationsOf(elf, section), []));
}

/** A file without sections: those that need no symbols. */
function relocationsBySegment(elf: ElfFile): Relocation[] {
  const entries = dynamicEntries(elf);
  const [start, size] = [entries.get(DT_RELA), entries.get(DT_RELASZ) ?? 0];
  if (start === undefined) return [];
  const read = () => {
    checkTable(size, "DT_RELA");
    return bytesAtAddress(elf, start, size, "DT_RELA") ?? Buffer.alloc(0);
  };
  const bytes = attempt(elf.problems, read, Buffer.alloc(0));
  return Array.from({ length: Math.floor(bytes.length / RELA_SIZE) }, (_, i) => ({
    place: addressAt(bytes, i * RELA_SIZE),
    type: bytes.readUInt32LE(i * RELA_SIZE + 8),
    symbol: undefined,
    addend: addressOf(bytes.readBigUInt64LE(i * RELA_SIZE + 16)),
  }));
}

const DT_RELA = 7;
const DT_RELASZ = 8;
const DT_INIT = 12;
const DT_SONAME = 14;
const DT_FLAGS_1 = 0x6fff_fffb;
const DF_1_PIE = 0x0800_0000;
const DT_INIT_ARRAY = 25;
const DT_INIT_ARRAYSZ = 27;
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

/** Pointers that the file has in place, with or without a relocation to move them. */
function pointersAt(elf: ElfFile, address: number, size: number, where: string): number[] {
  checkTable(size, where);
  const bytes = bytesAtAddress(elf, address, size, where) ?? Buffer.alloc(0);
  return Array.from({ length: Math.floor(bytes.length / 8) }, (_, i) => addressAt(bytes, i * 8));
}

/** Functions that run before `main`: DT_INIT and DT_INIT_ARRAY. */
export function readConstructors(
  elf: ElfFile,
  relocations: readonly Relocation[],
): readonly number[] {
  const entries = dynamicEntries(elf);
  const start = entries.get(DT_INIT_ARRAY) ?? 0;
  const size = entries.get(DT_INIT_ARRAYSZ) ?? 0;
  const array = attempt(elf.problems, () => pointersAt(elf, start, size, "DT_INIT_ARRAY"), []);
  const moved = relocations
    .filter(({ place }) => place >= start && place < start + size)
    .map(({ symbol, addend }) => (symbol === undefined ? 0 : symbol.value) + addend);
  const init = entries.get(DT_INIT);
  return [...(init === undefined ? [] : [init]), ...array, ...moved].filter((a) => a !== 0);
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
