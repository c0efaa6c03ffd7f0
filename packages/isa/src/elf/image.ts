/** A linked file as it lies in memory before anything runs: its data, and the pointers in it. */
import type { Pointers, Relocations } from "./dynamic.ts";
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
  /** Places that hold addresses of this file once it is loaded. */
  readonly pointers: Pointers;
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

/** Places and what they hold, in turn, as two arrays sorted by place. */
function sortedPointers(flat: readonly number[], chosen: ReadonlySet<number>): Pointers {
  const count = flat.length / 2;
  const order: number[] = [];
  let sorted = true;
  for (let i = 0; i < count; i++) {
    const place = flat[i * 2] ?? 0;
    if (chosen.has(place)) continue;
    if (sorted && order.length > 0) sorted = (flat[(order.at(-1) ?? 0) * 2] ?? 0) <= place;
    order.push(i);
  }
  if (!sorted) order.sort((a, b) => (flat[a * 2] ?? 0) - (flat[b * 2] ?? 0));
  return {
    places: Float64Array.from(order, (i) => flat[i * 2] ?? 0),
    values: Float64Array.from(order, (i) => flat[i * 2 + 1] ?? 0),
  };
}

/** The index of the first place at or behind an address. */
export function firstPlace({ places }: Pointers, address: number): number {
  let [low, high] = [0, places.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((places[middle] ?? Infinity) < address) low = middle + 1;
    else high = middle;
  }
  return low;
}

const PART = 1 << 20;

/** Bytes as numbers of four, which lie anywhere in memory. */
function wordsOf(bytes: Buffer): Uint32Array {
  const whole = bytes.length & ~3;
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : new Uint8Array(bytes);
  return new Uint32Array(aligned.buffer, aligned.byteOffset, whole / 4);
}

/**
 * The parts of a file's data segments that are in the file, each with its address. What a segment
 * says beyond the file is one problem, however large, and segments that overlap cost no more than
 * the file twice.
 */
function* dataParts(elf: ElfFile): Generator<{ at: number; bytes: Buffer }> {
  const { source, problems } = elf;
  let budget = 2 * source.size;
  for (const { type, executable, offset, address, fileSize } of elf.segments) {
    if (type !== PT_LOAD || executable) continue;
    const there = Math.min(fileSize, Math.max(0, source.size - offset), budget);
    budget -= there;
    for (let at = 0; at < there; at += PART) {
      const size = Math.min(PART, there - at);
      yield { at: address + at, bytes: source.read(offset + at, size, "data segment") };
    }
    const [from, to] = [offset + there, offset + fileSize];
    const why =
      to > source.size ? `outside the file of ${source.size} bytes` : "those of other segments";
    if (there < fileSize) {
      problems.push({
        where: "data segment",
        message: `data segment: bytes ${from} to ${to} are ${why}`,
      });
    }
  }
}

/** Words of the data of a file for a fixed address that are addresses in it. */
function standingPointers(elf: ElfFile, low: number, high: number): number[] {
  const found: number[] = [];
  for (const { at, bytes } of dataParts(elf)) {
    const first = -at & 7;
    const words = wordsOf(bytes.subarray(Math.min(first, bytes.length)));
    for (let i = 0; i + 1 < words.length; i += 2) {
      // Programs lie below 4 GiB. Kernels have relocations of their own, which are not read.
      if (words[i + 1] !== 0) continue;
      const value = words[i] ?? 0;
      if (value >= low && value < high && value !== 0) found.push(at + first + i * 4, value);
    }
  }
  return found;
}

/**
 * `relocated`: what relocations leave; `packed`: places that DT_RELR names; `chosen`: places that
 * ifuncs fill, where what stands in the file means nothing.
 */
export function imageOf(
  elf: ElfFile,
  relocated: readonly number[],
  packed: readonly number[],
  chosen: ReadonlySet<number>,
): Image {
  const segments = elf.segments.filter(
    ({ type, memorySize }) => type === PT_LOAD && memorySize > 0,
  );
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
  const inPlace = packed.flatMap((place): number[] => {
    const value = numberAt(place, 8);
    return value === undefined ? [] : [place, value];
  });
  const standing = fixed ? standingPointers(elf, low, high) : [];
  const pointers = sortedPointers(relocated.concat(inPlace, standing), chosen);
  return {
    fixed,
    low,
    high,
    isWritable: (address) => segmentAt(address)?.writable === true && !isSealed(address),
    numberAt,
    pointers,
    pointerAt(place) {
      const i = firstPlace(pointers, place);
      if (pointers.places[i] === place) return pointers.values[i];
      return fixed && !chosen.has(place) ? numberAt(place, 8) : undefined;
    },
  };
}

/** What relocations leave in their places, where it is an address of this file. */
export function relocatedPairs({ named, relative }: Relocations): number[] {
  const own = named.flatMap(({ place, symbol, addend }): number[] =>
    symbol === undefined || symbol.section === 0 || symbol.kind === "ifunc"
      ? []
      : [place, symbol.value + addend],
  );
  return relative.concat(own);
}
