/**
 * Which functions ask the CPU what it has, or act on the answer: they execute CPUID, resolve an
 * ifunc, or touch a variable that such a function wrote. What they lead to is chosen, not forced.
 */
import type { Relocation } from "../elf/dynamic.ts";
import { R_X86_64_IRELATIVE } from "../elf/dynamic.ts";
import type { ElfSymbol } from "../elf/symbols.ts";
import { dispatcherOf, type Dispatcher } from "./dispatchers.ts";
import type { FunctionIndex } from "../code/function-index.ts";
import type { Layout } from "./regions.ts";
import type { ReadFunction } from "./walk.ts";

export interface Asking {
  /** Functions that execute CPUID. */
  readonly cpuid: readonly ReadFunction[];
  /** Functions that choose an implementation when the program is loaded. */
  readonly ifuncs: readonly ReadFunction[];
  readonly dispatchers: readonly Dispatcher[];
  /** Where known dispatchers keep their answers: starts and ends. */
  readonly answers: readonly (readonly [number, number])[];
  /** All that ask or act on an answer. */
  readonly choosers: ReadonlySet<ReadFunction>;
}

/** An answer is a variable of a few words: a store and a load need not name the same byte. */
const GRAIN = 16;

class Addresses {
  readonly #grains = new Set<number>();

  add(address: number, size: number): void {
    const last = Math.floor((address + Math.max(size, 1) - 1) / GRAIN);
    // A symbol's size is the file's word: no answer about a CPU fills a megabyte.
    if (last - address / GRAIN > 65_536) return;
    for (let grain = Math.floor(address / GRAIN); grain <= last; grain++) this.#grains.add(grain);
  }

  has(address: number): boolean {
    return this.#grains.has(Math.floor(address / GRAIN));
  }
}

export interface AskingInput {
  readonly index: FunctionIndex<ReadFunction>;
  readonly symbols: readonly ElfSymbol[];
  readonly relocations: readonly Relocation[];
  readonly layout: Layout;
  /** Whether the program may write at an address. */
  readonly isVariable: (address: number) => boolean;
  /** Slots of the GOT by their addresses, and the functions of this file in them. */
  readonly slots: ReadonlyMap<number, number>;
  /** The same for variables. */
  readonly variables: ReadonlyMap<number, number>;
}

/** A function that only fetches the answer for its caller is no longer than this, and calls none but such. */
const GETTER_INSTRUCTIONS = 40;
/** A stub of the PLT: ENDBR64, JMP, NOP. */
export const STUB_INSTRUCTIONS = 4;
/** A routine around CPUID that stores nothing: OpenSSL's has about 120 instructions. */
const QUERY_INSTRUCTIONS = 250;

/** Direct callers, through stubs of the PLT too. */
function callersOf(
  { index: { all: functions }, slots }: AskingInput,
  callees: ReadonlySet<number>,
): ReadFunction[] {
  if (callees.size === 0) return [];
  const own = new Set([...slots].filter(([, f]) => callees.has(f)).map(([slot]) => slot));
  const direct = functions.filter(
    ({ code }) =>
      code.targets.some((target) => callees.has(target)) ||
      code.references.some((address) => own.has(address)),
  );
  const stubs = startsOf(
    direct.filter(({ code }) => code.references.some((address) => own.has(address))),
    STUB_INSTRUCTIONS,
  );
  if (stubs.size === 0) return direct;
  const through = functions.filter(({ code }) => code.targets.some((target) => stubs.has(target)));
  return [...direct, ...through];
}

function startsOf(functions: Iterable<ReadFunction>, longest: number): Set<number> {
  return new Set(
    [...functions].filter(({ code }) => code.instructions <= longest).map(({ start }) => start),
  );
}

/** Where known dispatchers keep their answers, and the slots through which they are imported. */
function knownAnswers({ symbols, relocations, layout }: AskingInput): {
  answers: Addresses;
  ranges: [number, number][];
  dispatchers: Set<Dispatcher>;
  starts: Set<number>;
} {
  const answers = new Addresses();
  const ranges: [number, number][] = [];
  const dispatchers = new Set<Dispatcher>();
  const starts = new Set<number>();
  for (const symbol of symbols) {
    const dispatcher = dispatcherOf(symbol.name);
    if (dispatcher === undefined) continue;
    dispatchers.add(dispatcher);
    if (symbol.section === 0) continue;
    const address = layout.addressIn(symbol.section, symbol.value);
    if (symbol.kind === "object") {
      answers.add(address, symbol.size);
      ranges.push([address, address + Math.max(symbol.size, 8)]);
    } else if (symbol.kind === "function") starts.add(address);
  }
  for (const { place, symbol } of relocations) {
    if (symbol !== undefined && dispatcherOf(symbol.name) !== undefined) answers.add(place, 8);
  }
  return { answers, ranges, dispatchers, starts };
}

function ifuncsOf({ index, relocations }: AskingInput): ReadFunction[] {
  const byRelocation = relocations
    .filter(({ type }) => type === R_X86_64_IRELATIVE)
    .flatMap(({ addend }) => index.at(addend) ?? []);
  return [...new Set([...index.all.filter(({ ifunc }) => ifunc), ...byRelocation])];
}

/** Variables that functions write, or take the address of to have them written. */
function noteAnswers(
  answers: Addresses,
  functions: Iterable<ReadFunction>,
  { isVariable, variables }: AskingInput,
): void {
  for (const { code } of functions) {
    for (const address of code.written) answers.add(address, 8);
    for (const address of code.taken) if (isVariable(address)) answers.add(address, 8);
    for (const slot of code.references) {
      const variable = variables.get(slot);
      if (variable === undefined) continue;
      answers.add(slot, 8);
      answers.add(variable, 8);
    }
  }
}

/** A function that turns an answer into a setting of its own: `elision_init` in glibc. */
const SETTER_INSTRUCTIONS = 150;

export function findAsking(input: AskingInput): Asking {
  const { all: functions } = input.index;
  const { answers, ranges, dispatchers, starts } = knownAnswers(input);
  const readersOf = (known: Addresses) =>
    functions.filter(({ code }) => code.references.some((address) => known.has(address)));
  const cpuid = functions.filter(({ code }) => code.cpuid);
  const ifuncs = ifuncsOf(input);
  const queries = cpuid.filter(({ code }) => code.written.length === 0);
  const storing = [...cpuid, ...callersOf(input, startsOf(queries, QUERY_INSTRUCTIONS))];
  noteAnswers(answers, storing, input);
  const readers = readersOf(answers);
  const asking = new Set([...storing, ...ifuncs, ...readers].map(({ start }) => start));
  const fetching = readers.filter(({ code }) => code.targets.every((t) => asking.has(t)));
  const getters = startsOf([...fetching, ...queries], GETTER_INSTRUCTIONS);
  const callers = callersOf(input, new Set([...getters, ...starts]));
  const settings = new Addresses();
  const setters = [...readers, ...callers].filter(
    ({ code }) => code.instructions <= SETTER_INSTRUCTIONS,
  );
  for (const { code } of setters) for (const address of code.written) settings.add(address, 8);
  const choosers = [...storing, ...ifuncs, ...readers, ...callers, ...readersOf(settings)];
  return {
    cpuid,
    ifuncs,
    dispatchers: [...dispatchers],
    answers: ranges,
    choosers: new Set(choosers),
  };
}
