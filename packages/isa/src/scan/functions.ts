/** Functions by where they begin: from symbols, unwinding tables, and what is called. */
import type { Range } from "../elf/frames.ts";
import type { ElfSymbol } from "../elf/symbols.ts";
import type { Grade } from "../code/function-code.ts";
import { isLinkageTable, regionAt, type Layout, type Region } from "./regions.ts";

/**
 * How a function is known:
 * - `symbol`: the file names it
 * - `frame`: the unwinding tables have its bounds
 * - `start`: the system starts there: the entry point, a constructor
 * - `called`: a known function calls it or jumps there
 * - `pointed`: its address is taken; it might be something else
 * - `unreached`: it stands behind padding, and nothing leads there; it might be something else
 */
type Origin = "symbol" | "frame" | "start" | "called" | "pointed" | "unreached";

export interface FunctionStart {
  readonly start: number;
  /** Not included; where nothing says it, the next function's start or the region's end. */
  readonly end: number;
  readonly name: string | undefined;
  readonly origin: Origin;
  /** How sure it is that this is a function: as sure as whoever leads here. */
  readonly sure: Grade;
  /** Whether a symbol or a frame says where it ends, so that all of it is code. */
  readonly bounded: boolean;
  readonly ifunc: boolean;
  /** Whether other files may call it by name. */
  readonly exported: boolean;
}

interface Draft {
  start: number;
  end: number;
  name: string | undefined;
  origin: Origin;
  ifunc: boolean;
  exported: boolean;
}

/** The better name of one function: a global one, then the shorter, then by the alphabet. */
function betterName(a: string | undefined, b: string): string {
  if (a === undefined || b.length < a.length) return b;
  return b.length === a.length && b < a ? b : a;
}

function addSymbol(drafts: Map<number, Draft>, symbol: ElfSymbol, start: number): void {
  const ifunc = symbol.kind === "ifunc";
  const exported = symbol.dynamic && symbol.global;
  const known = drafts.get(start);
  if (known === undefined) {
    const { name, size } = symbol;
    drafts.set(start, { start, end: start + size, name, origin: "symbol", ifunc, exported });
    return;
  }
  known.name = betterName(known.name, symbol.name);
  known.end = Math.max(known.end, start + symbol.size);
  known.ifunc ||= ifunc;
  known.exported ||= exported;
}

function addBare(drafts: Map<number, Draft>, origin: Origin, start: number, end: number): void {
  const known = drafts.get(start);
  if (known === undefined) {
    drafts.set(start, { start, end, name: undefined, origin, ifunc: false, exported: false });
  } else if (known.end === start) known.end = end;
}

function isCode({ kind, section, name }: ElfSymbol): boolean {
  return (kind === "function" || kind === "ifunc") && section !== 0 && name !== "";
}

function finish(draft: Draft, next: number, region: Region): FunctionStart {
  const { start, name, origin, ifunc, exported } = draft;
  const limit = Math.min(next, region.end);
  const bounded = draft.end > start;
  const end = bounded ? Math.min(draft.end, limit) : limit;
  return { start, end, name, origin, sure: "certain", bounded, ifunc, exported };
}

export interface Known {
  readonly symbols: readonly ElfSymbol[];
  readonly frames: readonly Range[];
  /** From tables of names that are not ELF's. */
  readonly named: readonly (Range & { readonly name: string })[];
  /** Entry point and constructors. */
  readonly starts: readonly number[];
  /** Entries of the tables through which what is linked dynamically is called. */
  readonly stubs: readonly Range[];
}

function isWithin({ start }: Range, tables: readonly Region[]): boolean {
  return tables.some((table) => start >= table.start && start < table.end);
}

/** Every known function in a code region, sorted, none overlapping the next. */
export function knownFunctions(layout: Layout, known: Known): FunctionStart[] {
  const drafts = new Map<number, Draft>();
  for (const symbol of known.symbols) {
    if (isCode(symbol)) addSymbol(drafts, symbol, layout.addressIn(symbol.section, symbol.value));
  }
  for (const { name, start, end } of known.named) {
    addBare(drafts, "symbol", start, end);
    const draft = drafts.get(start);
    if (draft !== undefined && name !== "") draft.name ??= name;
  }
  // The unwinding tables have one frame for all of a PLT: not one function that calls everything.
  const tables = layout.regions.filter(({ name }) => isLinkageTable(name));
  for (const frame of known.frames) {
    if (!isWithin(frame, tables)) addBare(drafts, "frame", frame.start, frame.end);
  }
  for (const { start, end } of known.stubs) addBare(drafts, "frame", start, end);
  for (const start of known.starts) addBare(drafts, "start", start, start);
  // Numbers are sorted many times faster than what they belong to.
  const starts = Float64Array.from(drafts.keys()).toSorted();
  const functions: FunctionStart[] = [];
  for (const [i, start] of starts.entries()) {
    const region = regionAt(layout.regions, start);
    const draft = drafts.get(start);
    if (region === undefined || draft === undefined) continue;
    functions.push(finish(draft, starts[i + 1] ?? region.end, region));
  }
  return functions;
}

/** What leads to a function that no table names. */
export interface Lead {
  readonly origin: "called" | "pointed" | "unreached";
  readonly sure: Grade;
}

/** A function found while reading: it ends where the next known one starts. */
export function foundFunction(start: number, end: number, lead: Lead): FunctionStart {
  const nothing = { name: undefined, bounded: false, ifunc: false, exported: false };
  return { start, end, ...lead, ...nothing };
}
