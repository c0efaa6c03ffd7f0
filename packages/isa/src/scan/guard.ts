/**
 * Whether code that needs a feature runs because somebody asked the CPU, or regardless. Calls are
 * followed from where the system enters the file: first along the paths that always run, then
 * along all calls that no asking function stands before.
 */
import { functionAt } from "./functions.ts";
import { STUB_INSTRUCTIONS, type Asking } from "./asks.ts";
import type { ReadFunction } from "./walk.ts";

export interface Reach {
  /** Functions whose first instructions run whenever the file is started. */
  readonly always: ReadonlySet<ReadFunction>;
  /** Functions that are reached without a question before them, and from where. */
  readonly open: ReadonlyMap<ReadFunction, ReadFunction | undefined>;
}

/** Names of implementations for one kind of CPU: whoever calls them by name has asked. */
const VARIANT =
  /_ZGV[cde]|_ITM_\w*M256|pclmul|avx|sse4|ssse3|fma3?(?![a-z])|haswell|westmere|icelake|skylake|zen\d|bmi2|aesni|vaes|sha_?ni|x86_64_v[234]/i;

/** Where programs begin once their runtime is set up: C, Go, Rust. */
const MAIN = /^(?:main|main\.main|runtime\.main|_ZN.*4main17h[\da-f]{16}E)$/;

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
  /** Slots of the GOT by their addresses, and the functions of this file in them. */
  readonly slots: ReadonlyMap<number, number>;
}

function walk(
  roots: readonly ReadFunction[],
  edges: (f: ReadFunction) => readonly ReadFunction[],
): Map<ReadFunction, ReadFunction | undefined> {
  const reached = new Map<ReadFunction, ReadFunction | undefined>(roots.map((f) => [f, undefined]));
  // A map is walked in the order of insertion, so that additions are met in turn.
  for (const f of reached.keys()) {
    for (const next of edges(f)) if (!reached.has(next)) reached.set(next, f);
  }
  return reached;
}

export function findReach(
  functions: readonly ReadFunction[],
  { choosers }: Asking,
  { entry, entryBytes, constructors, library, slots }: Entrances,
): Reach {
  const find = (addresses: readonly number[]) =>
    addresses.flatMap((address) => functionAt(functions, address) ?? []);
  const started = find([entry, ...constructors]);
  const entryFunction = functionAt(functions, entry);
  const handed = entryFunction === undefined ? [] : find(handedOver(entryFunction, entryBytes));
  const named = functions.filter(({ name }) => name !== undefined && MAIN.test(name));
  const main = [...handed, ...named];
  // What a program does after its first question is not all chosen by the answer.
  const through = new Set(library ? [] : [...find([entry]), ...main]);
  const called = library
    ? functions.filter(({ exported, name }) => exported && !VARIANT.test(name ?? ""))
    : [];
  const throughSlots = ({ code }: ReadFunction) =>
    code.instructions <= STUB_INSTRUCTIONS
      ? code.references.flatMap((address) => slots.get(address) ?? [])
      : [];
  const always = walk([...started, ...main], ({ code }) => find(code.straightTargets));
  const open = walk([...started, ...main, ...called], (f) =>
    // A program hands its functions to threads and signals; a library also fills tables with them.
    choosers.has(f) && !through.has(f)
      ? []
      : find([...f.code.targets, ...throughSlots(f), ...(library ? [] : f.code.taken)]),
  );
  return { always: new Set(always.keys()), open };
}

/** The names along the way to a function, from the entrance on. */
export function pathTo(open: Reach["open"], f: ReadFunction): ReadFunction[] {
  const path = [f];
  for (let from = open.get(f); from !== undefined; from = open.get(from)) path.unshift(from);
  return path;
}
