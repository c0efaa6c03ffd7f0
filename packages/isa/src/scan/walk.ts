/**
 * Reads all of a file's code: the known functions, then what they call or point to, until nothing
 * new is found. Code that no known function leads to is not read; how much there is, is said.
 */
import { codeTable, type CodeTable } from "./codes.ts";
import { BEHIND, readFunction, type FunctionCode } from "./decode.ts";
import { foundFunction, lastAtOrBefore, type FunctionStart, type Lead } from "./functions.ts";
import { regionAt, type Region } from "./regions.ts";

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
  /** Whether addresses in the code mean something: not before a relocatable file is linked. */
  readonly linked: boolean;
  /** Addresses of code that data holds: tables of functions. */
  readonly pointers: readonly number[];
  /** Called with the number of bytes read so far. */
  readonly onProgress?: (bytes: number) => void;
}

function readAll(
  starts: readonly FunctionStart[],
  regions: readonly Region[],
  table: CodeTable,
  { kernel }: WalkOptions,
  onProgress?: WalkOptions["onProgress"],
): ReadFunction[] {
  let done = 0;
  return starts.flatMap((f, i) => {
    const region = regionAt(regions, f.start);
    if (region === undefined || f.end <= f.start) return [];
    const from = f.start - region.start;
    const size = f.end - f.start;
    const bytes = region.bytes.subarray(from, from + size + BEHIND);
    const how = { bounded: f.bounded, kernel, start: f.sure };
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
function leadsIn(functions: readonly ReadFunction[]): Map<number, Lead> {
  const found = new Map<number, Lead>();
  for (const { code } of functions) for (const target of code.taken) found.set(target, POINTED);
  for (const { code, sure } of functions) {
    for (const target of code.targets) {
      if (sure === "certain" || found.get(target)?.sure !== "certain") {
        found.set(target, { origin: "called", sure });
      }
    }
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

/** Bytes between functions, and inside those without bounds, that nothing read. */
function unreadBytes(regions: readonly Region[], functions: readonly ReadFunction[]): number {
  let unread = 0;
  let at = 0;
  for (const { start, end, bytes } of regions) {
    let from = start;
    for (; at < functions.length && (functions[at]?.start ?? Infinity) < end; at++) {
      const f = functions[at];
      if (f === undefined) break;
      const gap = bytes.subarray(from - start, Math.max(0, f.start - start));
      if (f.start > from && !isPadding(gap)) unread += gap.length;
      unread += f.code.unread;
      from = Math.max(from, f.bounded ? f.end : f.start + f.code.extent);
    }
    const rest = bytes.subarray(from - start);
    if (from < end && !isPadding(rest)) unread += rest.length;
  }
  return unread;
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
  let found = options.linked ? leadsIn(functions) : new Map<number, Lead>();
  for (const address of options.pointers) if (!found.has(address)) found.set(address, POINTED);
  const bytes = regions.reduce((sum, region) => sum + region.bytes.length, 0);
  let instructions = instructionsIn(functions);
  for (let round = 0; found.size > 0 && round < MOST_ROUNDS; round++) {
    const fresh = readAll(discover(functions, regions, found), regions, table, options);
    instructions += instructionsIn(fresh);
    if (fresh.length === 0 || instructions > bytes * INSTRUCTIONS_PER_BYTE) break;
    functions = [...functions, ...fresh].toSorted((a, b) => a.start - b.start);
    found = leadsIn(fresh);
  }
  return { functions, table, bytes, unread: unreadBytes(regions, functions) };
}
