/**
 * Reads all of a file's code: the known functions, then what they call or point to, until nothing
 * new is found. How much there is that no known function leads to, is said; what seems to be code
 * there is doubtful.
 */
import type { Image } from "../elf/image.ts";
import { codeTable, type CodeTable } from "./codes.ts";
import { BEHIND, doubtfulCode, readFunction, type FunctionCode, type Grade } from "./decode.ts";
import { foundFunction, lastAtOrBefore, type FunctionStart, type Lead } from "./functions.ts";
import { regionAt, type Region } from "./regions.ts";
import { readBetween } from "./stretches.ts";

export interface ReadCode {
  /** Sorted by address. */
  readonly functions: readonly ReadFunction[];
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

function readAll(
  starts: readonly FunctionStart[],
  regions: readonly Region[],
  table: CodeTable,
  { kernel, image }: WalkOptions,
  onProgress?: WalkOptions["onProgress"],
): ReadFunction[] {
  let done = 0;
  return starts.flatMap((f, i) => {
    const region = regionAt(regions, f.start);
    if (region === undefined || f.end <= f.start) return [];
    const from = f.start - region.start;
    const size = f.end - f.start;
    const bytes = region.bytes.subarray(from, from + size + BEHIND);
    const how = { bounded: f.bounded, kernel, start: f.sure, image };
    const code = readFunction(table, bytes, size, f.start, how);
    done += size;
    if (i % 1024 === 1023) onProgress?.(done);
    return [{ ...f, code }];
  });
}

/** Whether an address lies where a function was already read or is about to be. */
function isCovered(sorted: readonly FunctionStart[], address: number): boolean {
  const f = sorted[lastAtOrBefore(sorted, address)];
  return f !== undefined && (f.start === address || (f.bounded && address < f.end));
}

/** Functions at new addresses, none reaching into a known one or into each other. */
function discover(
  known: readonly FunctionStart[],
  regions: readonly Region[],
  addresses: ReadonlyMap<number, Lead>,
): FunctionStart[] {
  const fresh = [...addresses]
    .filter(([address]) => !isCovered(known, address))
    .toSorted(([a], [b]) => a - b);
  return fresh.flatMap(([start, lead], i) => {
    const region = regionAt(regions, start);
    if (region === undefined) return [];
    const nextKnown = known[lastAtOrBefore(known, start) + 1]?.start ?? Infinity;
    const nextFresh = fresh[i + 1]?.[0] ?? Infinity;
    const end = Math.min(nextKnown, nextFresh, region.end, start + WINDOW);
    return [foundFunction(start, end, lead)];
  });
}

const POINTED: Lead = { origin: "pointed", sure: "likely" };

/** A call is as sure as its caller, and says more than an address that is only taken. */
function leadsIn(functions: readonly ReadFunction[], image: Image | undefined): Map<number, Lead> {
  const found = new Map<number, Lead>();
  if (image === undefined) return found;
  for (const { code } of functions) for (const target of code.taken) found.set(target, POINTED);
  const called = (target: number | undefined, sure: Grade) => {
    if (target === undefined) return;
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

/** Padding between functions: zeros, INT3, and the long forms of NOP that assemblers write. */
function isPadding(bytes: Buffer): boolean {
  if (bytes.length < 64) return true;
  return bytes.every((byte) => byte === 0 || byte === NOP || byte === INT3);
}

interface Gap {
  readonly start: number;
  readonly bytes: Buffer;
}

/** Bytes between functions, and behind what was read of those without bounds. */
function gapsBetween(regions: readonly Region[], functions: readonly ReadFunction[]): Gap[] {
  const gaps: Gap[] = [];
  let at = 0;
  for (const { start, end, bytes } of regions) {
    let from = start;
    for (; at < functions.length && (functions[at]?.start ?? Infinity) < end; at++) {
      const f = functions[at];
      if (f === undefined) break;
      if (f.start > from) {
        gaps.push({
          start: from,
          bytes: bytes.subarray(from - start, Math.max(0, f.start - start)),
        });
      }
      from = Math.max(from, f.bounded ? f.end : f.start + f.code.extent);
    }
    if (from < end) gaps.push({ start: from, bytes: bytes.subarray(from - start) });
  }
  return gaps;
}

function unreadBytes(gaps: readonly Gap[], functions: readonly ReadFunction[]): number {
  const between = gaps.reduce((n, { bytes }) => n + (isPadding(bytes) ? 0 : bytes.length), 0);
  return functions.reduce((n, { code }) => n + code.unread, between);
}

/** What may be functions behind padding, though nothing leads to them. */
function unreached(gaps: readonly Gap[], table: CodeTable, kernel: boolean): ReadFunction[] {
  return gaps.flatMap(({ start, bytes }) => {
    const counts = readBetween(table, bytes, kernel);
    if (counts.size === 0) return [];
    const lead: Lead = { origin: "unreached", sure: "doubtful" };
    return [{ ...foundFunction(start, start + bytes.length, lead), code: doubtfulCode(counts) }];
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

export function readCode(
  regions: readonly Region[],
  known: readonly FunctionStart[],
  options: WalkOptions,
): ReadCode {
  const table = codeTable();
  let functions = readAll(known, regions, table, options, options.onProgress);
  let found = leadsIn(functions, options.image);
  for (const address of options.pointers) if (!found.has(address)) found.set(address, POINTED);
  const bytes = regions.reduce((sum, region) => sum + region.bytes.length, 0);
  let instructions = instructionsIn(functions);
  for (let round = 0; found.size > 0 && round < MOST_ROUNDS; round++) {
    const fresh = readAll(discover(functions, regions, found), regions, table, options);
    instructions += instructionsIn(fresh);
    if (fresh.length === 0 || instructions > bytes * INSTRUCTIONS_PER_BYTE) break;
    functions = [...functions, ...fresh].toSorted((a, b) => a.start - b.start);
    found = leadsIn(fresh, options.image);
  }
  const gaps = gapsBetween(regions, functions);
  const unread = unreadBytes(gaps, functions);
  const all = [...functions, ...unreached(gaps, table, options.kernel)];
  return { functions: all.toSorted((a, b) => a.start - b.start), table, bytes, unread };
}
