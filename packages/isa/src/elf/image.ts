/** A linked file as it lies in memory before anything runs: its data, and the pointers in it. */
import { R_X86_64_RELATIVE, type Relocation } from "./dynamic.ts";
import { attempt, type ElfFile } from "./file.ts";
import { addressAt } from "./numbers.ts";
import { PT_GNU_RELRO, PT_LOAD, type Segment } from "./tables.ts";

export interface Image {
  /** Whether it is loaded at the addresses it was linked for, which stand in its instructions. */
  readonly fixed: boolean;
  /** Lowest and highest address, the latter not included. */
  readonly low: number;
  readonly high: number;
  /** Whether the program may write there once it runs. */
  isWritable(address: number): boolean;
  /** Signed, of 1, 2, 4 or 8 bytes; undefined where the file has none. */
  numberAt(address: number, size: number): number | undefined;
  /** The address of this file that stands at a place once the file is loaded. */
  pointerAt(place: number): number | undefined;
}

const PAGE = 1 << 16;
const PAGES_KEPT = 64;

/** Reads by pages: data is several times larger than what of it is looked at. */
function pageReader({ source, problems }: ElfFile): (offset: number) => Buffer {
  const pages = new Map<number, Buffer>();
  let [last, lastNumber]: [Buffer, number] = [Buffer.alloc(0), -1];
  return (offset) => {
    const number = Math.floor(offset / PAGE);
    if (number === lastNumber) return last;
    let page = pages.get(number);
    if (page === undefined) {
      // A number may lie across the border of two pages.
      const length = Math.max(0, Math.min(PAGE + 8, source.size - number * PAGE));
      const read = () => source.read(number * PAGE, length, "data");
      page = attempt(problems, read, Buffer.alloc(0));
      if (pages.size >= PAGES_KEPT) pages.delete(pages.keys().next().value ?? -1);
      pages.set(number, page);
    }
    [last, lastNumber] = [page, number];
    return page;
  };
}

function readNumber(bytes: Buffer, at: number, size: number): number | undefined {
  if (at + size > bytes.length) return undefined;
  if (size === 8) return addressAt(bytes, at);
  return bytes.readIntLE(at, size);
}

/** The address that each relocation leaves in its place, where it is one of this file. */
export function relocatedPointers(relocations: readonly Relocation[]): Map<number, number> {
  const pointers = new Map<number, number>();
  for (const { place, type, symbol, addend } of relocations) {
    if (type === R_X86_64_RELATIVE) pointers.set(place, addend);
    else if (symbol !== undefined && symbol.section !== 0) {
      if (symbol.kind !== "ifunc") pointers.set(place, symbol.value + addend);
    }
  }
  return pointers;
}

export function imageOf(
  elf: ElfFile,
  moved: ReadonlyMap<number, number>,
  packed: ReadonlySet<number>,
): Image {
  const segments = elf.segments.filter(({ type, memorySize }) => type === PT_LOAD && memorySize > 0);
  const low = Math.min(...segments.map(({ address }) => address));
  const high = Math.max(...segments.map(({ address, memorySize }) => address + memorySize));
  const sealed = elf.segments.filter(({ type }) => type === PT_GNU_RELRO);
  const isSealed = (address: number) =>
    sealed.some((s) => address >= s.address && address < s.address + s.memorySize);
  const pageAt = pageReader(elf);
  let last: Segment | undefined;
  const segmentAt = (address: number) => {
    if (last !== undefined && address >= last.address && address < last.address + last.memorySize) {
      return last;
    }
    last = segments.find((s) => address >= s.address && address < s.address + s.memorySize);
    return last;
  };
  const fixed = elf.header.type === "executable";
  const numberAt = (address: number, size: number) => {
    const segment = segmentAt(address);
    if (segment === undefined) return undefined;
    const skip = address - segment.address;
    // Memory beyond the file's bytes begins as zeros.
    if (skip >= segment.fileSize) return 0;
    const offset = segment.offset + skip;
    return readNumber(pageAt(offset), offset % PAGE, size);
  };
  return {
    fixed,
    low,
    high,
    isWritable: (address) => segmentAt(address)?.writable === true && !isSealed(address),
    numberAt,
    pointerAt(place) {
      const pointer = moved.get(place);
      if (pointer !== undefined) return pointer;
      if (!fixed && !packed.has(place)) return undefined;
      return numberAt(place, 8);
    },
  };
}
