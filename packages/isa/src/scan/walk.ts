/**
 * Reads all of a file's code: the known functions, then what they call or point to, until nothing
 * new is found. How much there is that no known function leads to, is said; what seems to be code
 * there is doubtful.
 */
import type { Image } from "../elf/image.ts";
import { codeTable, type CodeTable } from "../code/codes.ts";
import { doubtfulCode, type FunctionCode, type Grade } from "../code/function-code.ts";
import { readFunction } from "../code/read-function.ts";
import { Reading } from "../code/reading.ts";
import { readBetween } from "../code/stretches.ts";
import { FunctionIndex } from "../code/function-index.ts";
import { foundFunction, type FunctionStart, type Lead } from "./functions.ts";
import { regionAt, type Region } from "./regions.ts";

export interface ReadCode {
  /** Sorted by address. */
  readonly functions: readonly ReadFunction[];
  readonly index: FunctionIndex<ReadFunction>;
  readonly table: CodeTable;
  /** Bytes of code regions, and how many of them were not read although they are no padding. */
  readonly bytes: number;
  readonly unread: number;
}

export interface ReadFunction extends FunctionStart {
  readonly code: FunctionCode;
}

/** A function without known bounds is read this far at once; jumps beyond make another one. */
const WINDOW = 64 * 1024;

export interface WalkOptions {
  readonly kernel: boolean;
  /** Undefined before a relocatable file is linked: then addresses in the code mean nothing. */
  readonly image: Image | undefined;
  /** Addresses of code that data holds: tables of functions. */
  readonly pointers: readonly number[];
  /** Called with the number of bytes read so far. */
  readonly onProgress?: (bytes: number) => void;
}

interface Reader extends WalkOptions {
  readonly regions: readonly Region[];
  /** One for each region. */
  readonly readings: ReadonlyMap<Region, Reading>;
}

/** Told of it now and then. */
const PROGRESS_EVERY = 1024;

function readAll(
  starts: readonly FunctionStart[],
  { regions, readings }: Reader,
  onProgress?: WalkOptions["onProgress"],
): ReadFunction[] {
  let done = 0;
  const functions: ReadFunction[] = [];
  for (const [i, f] of starts.entries()) {
    const region = regionAt(regions, f.start);
    const reading = region === undefined ? undefined : readings.get(region);
    if (region === undefined || reading === undefined || f.end <= f.start) continue;
    const [from, to] = [f.start - region.start, f.end - region.start];
    const code = readFunction(reading, { from, to, bounded: f.bounded, sure: f.sure });
    done += to - from;
    if (i % PROGRESS_EVERY === PROGRESS_EVERY - 1) onProgress?.(done);
    const { start, end, name, origin, sure, bounded, ifunc, exported } = f;
    functions.push({ start, end, name, origin, sure, bounded, ifunc, exported, code });
  }
  return functions;
}

/** Whether an address lies where a function was already read or is about to be. */
function isCovered(known: FunctionIndex<FunctionStart>, address: number): boolean {
  const f = known.all[known.lastAtOrBefore(address)];
  return f !== undefined && (f.start === address || (f.bounded && address < f.end));
}

/** Functions at new addresses, none reaching into a known one or into each other. */
function discover(
  known: FunctionIndex<FunctionStart>,
  regions: readonly Region[],
  addresses: ReadonlyMap<number, Lead>,
): FunctionStart[] {
  const fresh = [...addresses].toSorted(([a], [b]) => a - b);
  return fresh.flatMap(([start, lead], i) => {
    const region = regionAt(regions, start);
    if (region === undefined) return [];
    const nextKnown = known.all[known.lastAtOrBefore(start) + 1]?.start ?? Infinity;
    const nextFresh = fresh[i + 1]?.[0] ?? Infinity;
    const end = Math.min(nextKnown, nextFresh, region.end, start + WINDOW);
    return [foundFunction(start, end, lead)];
  });
}

const POINTED: Lead = { origin: "pointed", sure: "likely" };

/**
 * New addresses that functions lead to. A call is as sure as its caller, and says more than an
 * address that is only taken.
 */
function leadsIn(
  functions: readonly ReadFunction[],
  known: FunctionIndex<FunctionStart>,
  image: Image | undefined,
): Map<number, Lead> {
  const found = new Map<number, Lead>();
  if (image === undefined) return found;
  for (const { code } of functions) {
    for (const target of code.taken) if (!isCovered(known, target)) found.set(target, POINTED);
  }
  const called = (target: number | undefined, sure: Grade) => {
    if (target === undefined || isCovered(known, target)) return;
    if (sure === "certain" || found.get(target)?.sure !== "certain") {
      found.set(target, { origin: "called", sure });
    }
  };
  for (const { code, sure } of functions) {
    for (const target of code.targets) called(target, sure);
    for (const slot of code.slots) called(image.pointerAt(slot), sure);
  }
  return found;
}

const NOP = 0x90;
const INT3 = 0xcc;

/** Shorter gaps are what functions are aligned with. */
const SHORTEST_GAP = 64;

interface Gap {
  readonly region: Region;
  /** Offsets in the region's bytes. */
  readonly from: number;
  readonly to: number;
}

/** Padding between functions: zeros, INT3, and the long forms of NOP that assemblers write. */
function isPadding({ region: { bytes }, from, to }: Gap): boolean {
  if (to - from < SHORTEST_GAP) return true;
  for (let at = from; at < to; at++) {
    const byte = bytes[at];
    if (byte !== 0 && byte !== NOP && byte !== INT3) return false;
  }
  return true;
}

/** Bytes between functions, and behind what was read of those without bounds. */
function gapsBetween(regions: readonly Region[], functions: readonly ReadFunction[]): Gap[] {
  const gaps: Gap[] = [];
  let at = 0;
  for (const region of regions) {
    const { start, end } = region;
    let from = start;
    for (; at < functions.length && (functions[at]?.start ?? Infinity) < end; at++) {
      const f = functions[at];
      if (f === undefined) break;
      if (f.start > from) gaps.push({ region, from: from - start, to: f.start - start });
      from = Math.max(from, f.bounded ? f.end : f.start + f.code.extent);
    }
    if (from < end) gaps.push({ region, from: from - start, to: end - start });
  }
  return gaps;
}

function unreadBytes(gaps: readonly Gap[], functions: readonly ReadFunction[]): number {
  const between = gaps.reduce((n, gap) => n + (isPadding(gap) ? 0 : gap.to - gap.from), 0);
  return functions.reduce((n, { code }) => n + code.unread, between);
}

/** What may be functions behind padding, though nothing leads to them. */
function unreached(gaps: readonly Gap[], { readings }: Reader): ReadFunction[] {
  return gaps.flatMap(({ region, from, to }) => {
    const reading = readings.get(region);
    const counts = reading === undefined ? undefined : readBetween(reading, from, to);
    if (counts === undefined || counts.size === 0) return [];
    const lead: Lead = { origin: "unreached", sure: "doubtful" };
    const [start, end] = [region.start + from, region.start + to];
    return [{ ...foundFunction(start, end, lead), code: doubtfulCode(counts) }];
  });
}

/**
 * A hostile file can lead from every byte to the next one as another function. Real chains of
 * calls to functions that no table names are a few dozen long.
 */
const MOST_ROUNDS = 256;
/** Real code has fewer instructions than bytes, and little of it is read twice. */
const INSTRUCTIONS_PER_BYTE = 2;

function instructionsIn(functions: readonly ReadFunction[]): number {
  return functions.reduce((n, { code }) => n + code.instructions, 0);
}

/** Two lists sorted by address, as one. */
function merged(a: readonly ReadFunction[], b: readonly ReadFunction[]): ReadFunction[] {
  const all: ReadFunction[] = [];
  let i = 0;
  for (const f of b) {
    for (let next = a[i]; next !== undefined && next.start <= f.start; next = a[++i]) {
      all.push(next);
    }
    all.push(f);
  }
  return all.concat(a.slice(i));
}

/** Reads the known functions, then whatever they and the file's data lead to. */
function readReached(known: readonly FunctionStart[], reader: Reader): ReadFunction[] {
  const { regions, image, pointers } = reader;
  let functions = readAll(known, reader, reader.onProgress);
  let index = new FunctionIndex(functions);
  let found = leadsIn(functions, index, image);
  for (const address of pointers) {
    if (!found.has(address) && !isCovered(index, address)) found.set(address, POINTED);
  }
  const bytes = regions.reduce((sum, region) => sum + region.bytes.length, 0);
  let instructions = instructionsIn(functions);
  for (let round = 0; found.size > 0 && round < MOST_ROUNDS; round++) {
    const fresh = readAll(discover(index, regions, found), reader);
    instructions += instructionsIn(fresh);
    if (fresh.length === 0 || instructions > bytes * INSTRUCTIONS_PER_BYTE) break;
    functions = merged(functions, fresh);
    index = new FunctionIndex(functions);
    found = leadsIn(fresh, index, image);
  }
  return functions;
}

export function readCode(
  regions: readonly Region[],
  known: readonly FunctionStart[],
  options: WalkOptions,
): ReadCode {
  const table = codeTable();
  const { kernel, image } = options;
  const readings = new Map(
    regions.map((region) => {
      const { bytes, start } = region;
      return [region, new Reading(table, { bytes, start, kernel, image })] as const;
    }),
  );
  try {
    const reader = { ...options, regions, readings };
    const functions = readReached(known, reader);
    const gaps = gapsBetween(regions, functions);
    const unread = unreadBytes(gaps, functions);
    const all = merged(functions, unreached(gaps, reader));
    const bytes = regions.reduce((sum, region) => sum + region.bytes.length, 0);
    return { functions: all, index: new FunctionIndex(all), table, bytes, unread };
  } finally {
    for (const reading of readings.values()) reading.free();
  }
}
