/**
 * Whether code that needs a feature runs because somebody asked the CPU, or regardless. Calls are
 * followed from where the system enters the file: first along the paths that always run, then
 * along all that runs on a CPU that answers no to everything.
 */
import { firstPlace } from "../elf/image.ts";
import type { Image } from "../elf/image.ts";
import type { Findings } from "../flow/findings.ts";
import type { FunctionIndex } from "../code/function-index.ts";
import type { ReadFunction } from "./walk.ts";

export interface Reach {
  /** Functions whose first instructions run whenever the file is started. */
  readonly always: ReadonlySet<ReadFunction>;
  /** Functions that are reached without a question before them, and from where. */
  readonly open: ReadonlyMap<ReadFunction, ReadFunction | undefined>;
  /** Those of {@link open} that a start of the program itself leads to. */
  readonly started: ReadonlySet<ReadFunction>;
  /** Those of {@link started} to which calls by name lead, without a pointer on the way. */
  readonly direct: ReadonlySet<ReadFunction>;
  /** Functions that are called by name where an answer was yes, and what they call. */
  readonly dispatched: ReadonlySet<ReadFunction>;
  /** Functions to which only answers lead. */
  readonly guarded: ReadonlySet<ReadFunction>;
}

/** Names of implementations for one kind of CPU: whoever calls them by name has asked. */
const VARIANT =
  /_ZGV[cde]|__svml_|SIMDLevelE[1-9]|_X86_V[234]|[yz]mm_vector|_ITM_\w*M256|pclmul|avx|sse4|ssse3|fma[34]?(?![a-z])|haswell|broadwell|westmere|nehalem|sandybridge|icelake|skylake|cascadelake|cooperlake|sapphirerapids|zen\d?(?![a-z])|bulldozer|piledriver|steamroller|excavator|knl(?![a-z])|bmi2|aesni|vaes|gfni|sha_?ni|shaext|x86_64_v[234]|_(?:zmm|ymm)/i;

/** OpenBLAS's cores that no other word of {@link VARIANT} names: `sgemm_kernel_OPTERON_SSE3`. */
const CORE = /_(?:PRESCOTT|CORE2|PENRYN|DUNNINGTON|ATOM|NANO|OPTERON(?:_SSE3)?|BARCELONA|BOBCAT)$/;

export function isVariantName(name: string | undefined): boolean {
  return name !== undefined && (VARIANT.test(name) || CORE.test(name));
}

const RUST_MAIN = /4main17h[\da-f]{16}E$/;

/** Where programs begin once their runtime is set up: C, Go, Rust. */
function isMain(name: string): boolean {
  if (name === "main" || name === "main.main" || name === "runtime.main") return true;
  return name.startsWith("_ZN") && RUST_MAIN.test(name);
}

const SHIM_INSTRUCTIONS = 24;

/** A function that does nothing but call another one with the address of a third. */
function isShim({ code }: ReadFunction): boolean {
  const calls = code.targets.length + code.slots.length;
  return calls === 1 && code.instructions <= SHIM_INSTRUCTIONS;
}

/** `mov $main, %rdi` in the start code of programs that are loaded at a fixed address. */
const MOV_RDI = Buffer.from("48c7c7", "hex");

/** What the entry point hands to the C library: `main`. */
function handedOver(entry: ReadFunction, bytes: Buffer): number[] {
  const at = bytes.indexOf(MOV_RDI);
  const fixed = at === -1 || at + 7 > bytes.length ? [] : [bytes.readInt32LE(at + 3)];
  return [...entry.code.taken, ...fixed];
}

export interface Entrances {
  readonly entry: number;
  readonly entryBytes: Buffer;
  /** DT_INIT and DT_INIT_ARRAY. */
  readonly constructors: readonly number[];
  /** Whether other files call its exported functions. */
  readonly library: boolean;
  readonly image: Image | undefined;
}

export interface Roots {
  /** The entry point and constructors. */
  readonly started: readonly ReadFunction[];
  readonly main: readonly ReadFunction[];
  /** Those of {@link main} whose result says nothing: Go's and Rust's. */
  readonly silent: readonly ReadFunction[];
  readonly exported: readonly ReadFunction[];
}

export function findRoots(
  index: FunctionIndex<ReadFunction>,
  { entry, entryBytes, constructors, library }: Entrances,
): Roots {
  const { all: functions } = index;
  const find = (addresses: readonly number[]) =>
    addresses.flatMap((address) => index.at(address) ?? []);
  const entryFunction = index.at(entry);
  const handed = entryFunction === undefined ? [] : find(handedOver(entryFunction, entryBytes));
  const named = functions.filter(({ name }) => name !== undefined && isMain(name));
  // Rust's `main` for C only hands the program's own on to the runtime.
  const handedOn = handed.filter(isShim).flatMap(({ code }) => find(code.taken));
  const silent = [...handedOn, ...named.filter(({ name }) => name !== "main")];
  return {
    started: find([entry, ...constructors]),
    main: [...handed, ...handedOn, ...named],
    silent,
    exported: library
      ? functions.filter(({ exported, name }) => exported && !isVariantName(name))
      : [],
  };
}

type Edges = (f: ReadFunction) => Iterable<ReadFunction>;

function walk(
  roots: Iterable<ReadFunction>,
  edges: Edges,
  into: Map<ReadFunction, ReadFunction | undefined> = new Map(),
): Map<ReadFunction, ReadFunction | undefined> {
  for (const f of roots) if (!into.has(f)) into.set(f, undefined);
  // A map is walked in the order of insertion, so that additions are met in turn.
  for (const f of into.keys()) {
    for (const next of edges(f)) if (!into.has(next)) into.set(next, f);
  }
  return into;
}

/** A table of functions is no longer than this, or its end is a place that code names. */
const LONGEST_TABLE = 8192;
/** Its pointers lie no further apart: between them are numbers and texts. */
const WIDEST_GAP = 128;
/** So many tables that lead to each other are followed from one. */
const MOST_TABLES = 256;

interface TableContent {
  readonly functions: readonly ReadFunction[];
  readonly tables: readonly number[];
}

/** Functions to which the tables at an address lead, and the tables that those point to. */
export class Tables {
  readonly #image: Image;
  readonly #index: FunctionIndex<ReadFunction>;
  readonly #isCode: (address: number) => boolean;
  #borders: Float64Array | undefined;
  readonly #known = new Map<number, TableContent>();
  /** Ends of tables that are walked from their start: the next table begins there. */
  readonly ends: ReadonlyMap<number, number>;

  constructor(
    image: Image,
    index: FunctionIndex<ReadFunction>,
    isCode: (address: number) => boolean,
    ends: ReadonlyMap<number, number>,
  ) {
    this.ends = ends;
    this.#image = image;
    this.#index = index;
    this.#isCode = isCode;
  }

  /** The places that code names: where one table ends, another begins. */
  #bordersOf(): Float64Array {
    if (this.#borders !== undefined) return this.#borders;
    const all = new Set<number>();
    for (const { code } of this.#index.all) {
      for (const address of code.references) if (!this.#isCode(address)) all.add(address);
    }
    const { values } = this.#image.pointers;
    for (const value of values) if (!this.#isCode(value)) all.add(value);
    this.#borders = Float64Array.from(all).toSorted();
    return this.#borders;
  }

  /** What a table holds: functions, and the addresses of other tables. */
  at(address: number): TableContent {
    const known = this.#known.get(address);
    if (known !== undefined) return known;
    const content: { functions: ReadFunction[]; tables: number[] } = { functions: [], tables: [] };
    this.#known.set(address, content);
    const { pointers, low, high } = this.#image;
    if (address < low || address >= high) return content;
    let i = firstPlace(pointers, address);
    if ((pointers.places[i] ?? Infinity) >= address + WIDEST_GAP) return content;
    const places = this.#bordersOf();
    const border = places[firstPlace({ places, values: places }, address + 1)] ?? Infinity;
    const end = Math.min(border, address + LONGEST_TABLE);
    for (let last = address; (pointers.places[i] ?? Infinity) < end; i++) {
      const place = pointers.places[i] ?? Infinity;
      if (place - last > WIDEST_GAP) break;
      last = place;
      const value = pointers.values[i] ?? 0;
      if (!this.#isCode(value)) content.tables.push(value);
      else {
        const f = this.#index.at(value);
        if (f !== undefined) content.functions.push(f);
      }
    }
    return content;
  }

  /** Functions to which the table at an address leads, and the tables in it. */
  functionsAt(address: number): ReadFunction[] {
    const found: ReadFunction[] = [];
    const tables = new Set([address]);
    // A set is walked in the order of insertion, so that additions are met in turn.
    for (const table of tables) {
      if (tables.size > MOST_TABLES) break;
      const content = this.at(table);
      for (const f of content.functions) found.push(f);
      for (const other of content.tables) tables.add(other);
    }
    return found;
  }
}

export interface ReachInput {
  readonly index: FunctionIndex<ReadFunction>;
  readonly roots: Roots;
  readonly doors: Doors;
  /** Whether pointers are not followed. */
  readonly byName: boolean;
  readonly image: Image | undefined;
  readonly tables: Tables | undefined;
  readonly isCode: (address: number) => boolean;
  readonly findings: (f: ReadFunction) => Findings | undefined;
  /** Functions that ask or act on an answer, whose code could not be followed. */
  readonly opaque: (f: ReadFunction) => boolean;
}

type Code = Pick<ReachInput, "index" | "image">;

function directEdges({ index, image }: Code, { code }: ReadFunction): ReadFunction[] {
  const slots = code.slots.flatMap((slot) => image?.pointerAt(slot) ?? []);
  return [...code.targets, ...slots].flatMap((a) => index.at(a) ?? []);
}

function calledIn({ index }: ReachInput, { calls }: Findings, openly: boolean): ReadFunction[] {
  return calls
    .filter(({ open }) => open === openly)
    .flatMap(({ target }) => index.at(target) ?? []);
}

function pointed(input: ReachInput, addresses: Iterable<number>): ReadFunction[] {
  const { index, tables, isCode } = input;
  const found: ReadFunction[] = [];
  for (const address of addresses) {
    if (isCode(address)) {
      const f = index.at(address);
      if (f !== undefined) found.push(f);
    } else if (tables !== undefined) {
      for (const f of tables.functionsAt(address)) found.push(f);
    }
  }
  return found;
}

/** Where a function leads that was not followed: everywhere it names. */
function plainEdges(input: ReachInput, f: ReadFunction): ReadFunction[] {
  const { code } = f;
  const called = directEdges(input, f);
  // A program hands its functions to threads and signals; a library fills tables with them, and
  // leaves it to others to choose.
  if (input.byName) return called;
  const ends = input.tables?.ends;
  const named = code.references.filter((address) => {
    const start = ends?.get(address);
    return start === undefined || !code.references.includes(start);
  });
  return [...called, ...pointed(input, named)];
}

function followedEdges(input: ReachInput, findings: Findings): ReadFunction[] {
  const called = calledIn(input, findings, true);
  if (input.byName) return called;
  const taken = [...findings.taken].filter(([, open]) => open).map(([a]) => a);
  return [...called, ...pointed(input, taken)];
}

/** What a library is entered by, and what it holds for one kind of CPU each. */
export interface Doors {
  /** Exported functions that nothing in the library calls: others must. */
  readonly entered: readonly ReadFunction[];
  readonly variants: readonly ReadFunction[];
}

/** The same however often answers are followed: of a program that exports nothing, none. */
export function findDoors(code: Code, { exported }: Roots): Doors {
  if (exported.length === 0) return { entered: [], variants: [] };
  const { all } = code.index;
  const called = new Set<ReadFunction>();
  for (const f of all) for (const to of directEdges(code, f)) if (to !== f) called.add(to);
  const entered = exported.filter((f) => !called.has(f));
  const variants = entered.length === 0 ? [] : all.filter(({ name }) => isVariantName(name));
  return { entered, variants };
}

export function findReach(input: ReachInput): Reach {
  const { index, roots, findings, opaque } = input;
  const find = (addresses: readonly number[]) =>
    addresses.flatMap((address) => index.at(address) ?? []);
  const edges: Edges = (f) => {
    const found = findings(f);
    if (found !== undefined) return followedEdges(input, found);
    return opaque(f) ? [] : plainEdges(input, f);
  };
  const started = [...roots.started, ...roots.main];
  const always = walk(started, ({ code }) => find(code.straightTargets));
  const direct = walk(started, (f) => {
    const found = findings(f);
    if (found !== undefined) return calledIn(input, found, true);
    return opaque(f) ? [] : directEdges(input, f);
  });
  const own = walk(started, edges);
  // What an answer chooses among stands in the code, even where it is never called by name.
  const named: Edges = (f) => plainEdges(input, f);
  const { entered, variants } = input.doors;
  const open = walk(entered, edges, new Map(own));
  const reached = walk([...open.keys(), ...variants], named);
  // The others are exported for the library's own sake: those that it calls only where an answer
  // was yes, or from variants, are variants. What is left calls one another in a circle.
  walk(
    roots.exported.filter((f) => !reached.has(f)),
    edges,
    open,
  );
  const guarded = walk(open.keys(), named);
  for (const f of open.keys()) guarded.delete(f);
  const chosen = [...open.keys()].flatMap((f) => {
    const found = findings(f);
    return found === undefined ? [] : calledIn(input, found, false);
  });
  const dispatched = walk(chosen, (f) => directEdges(input, f));
  return {
    always: new Set(always.keys()),
    open,
    started: new Set(own.keys()),
    direct: new Set(direct.keys()),
    dispatched: new Set(dispatched.keys()),
    guarded: new Set(guarded.keys()),
  };
}

/** The names along the way to a function, from the entrance on. */
export function pathTo(open: Reach["open"], f: ReadFunction): ReadFunction[] {
  const path = [f];
  for (let from = open.get(f); from !== undefined; from = open.get(from)) path.unshift(from);
  return path;
}
