/**
 * Follows the functions that ask the CPU, and those that their answers reach: through variables,
 * results, arguments and fields of structures. The others need not be followed: nothing in them
 * depends on the CPU.
 */
import type { Image } from "../elf/image.ts";
import type { FunctionIndex } from "../code/function-index.ts";
import { IcedReader } from "../code/iced-reader.ts";
import { blocksOf, type Block, type FunctionBytes } from "./blocks.ts";
import type { Findings, Store, Summary, Surroundings } from "./findings.ts";
import { followFunction } from "./follow.ts";
import { isSameMap, parametersOf, type CallSite } from "./parameters.ts";
import { isSameSummary, NOTHING } from "./summaries.ts";
import { grain, Touches } from "./touches.ts";
import {
  ASKED,
  join,
  markAsked,
  NO,
  number,
  truncate,
  unknown,
  UNKNOWN,
  type Value,
} from "./values.ts";

export interface Followed {
  readonly start: number;
  readonly end: number;
  readonly name: string | undefined;
  readonly code: FunctionBytes["code"];
}

export interface InquiryInput<F extends Followed> {
  readonly index: FunctionIndex<F>;
  /** Functions that only jump to another one. */
  readonly stubs: ReadonlyMap<F, F>;
  readonly image: Image;
  readonly bytesOf: (f: F) => FunctionBytes;
  /** The function that begins at an address, or that a stub there leads to. */
  readonly functionFor: (address: number) => F | undefined;
  /** The imported name that a stub, or a place that is filled by the dynamic linker, stands for. */
  readonly importFor: (address: number) => string | undefined;
  readonly isCode: (address: number) => boolean;
  /** Variables that hold answers whoever writes them: of known dispatchers. */
  readonly isKnownAnswer: (address: number) => boolean;
  /** Imported variables and functions that give answers. */
  readonly isAnswerName: (name: string) => boolean;
  /** Addresses of texts such as `/proc/cpuinfo`. */
  readonly questions: ReadonlySet<number>;
  /** The one feature that the auxiliary vector announces: then 26 asks for that word. */
  readonly usesFsgsbase: boolean;
}

/** Where imported variables are said to lie: beyond every program. */
const ELSEWHERE = 2 ** 50;
/** Nearer to its start, many structures have fields: then the size must be the same. */
const FAR_FIELD = 24;
const ROUNDS = 8;
/** Functions that are followed at most; a program has a few hundred that ask. */
const MOST_FOLLOWED = 4000;
/** Instructions that are followed at most, each time anew; beyond, functions are taken as they stand. */
const MOST_INSTRUCTIONS = 600_000;
/** A longer function is taken as it stands. */
const LONGEST = 60_000;
/** Only a short function's result that is not known counts as an answer. */
const GETTER_INSTRUCTIONS = 60;
/** AT_HWCAP and AT_HWCAP2 (getauxval(3)). */
const HARDWARE = new Set([16, 26]);

/** A function that turns an answer into a setting of its own is no longer: `elision_init` in glibc. */
const SETTER_INSTRUCTIONS = 150;

export class Inquiry<F extends Followed> implements Surroundings {
  readonly #input: InquiryInput<F>;
  /** Undefined: given up. */
  readonly #followed = new Map<F, Findings | undefined>();
  readonly #variables = new Map<number, Value>();
  readonly #parameters = new Map<F, Map<number, Value>>();
  readonly #fields = new Map<number, number>();
  readonly #pending = new Set<F>();
  readonly #blocks = new Map<F, readonly Block[]>();
  #spent = 0;
  #relevant: ReadonlySet<F> = new Set();
  #worth: readonly F[] = [];
  #open: ReadonlySet<F> | undefined;
  #callersOf: (f: F) => readonly F[] | undefined = () => undefined;

  #current: F | undefined;

  constructor(input: InquiryInput<F>) {
    this.#input = input;
  }

  /** Undefined for functions that were not followed to their end. */
  findings(f: F): Findings | undefined {
    return this.#followed.get(f);
  }

  /**
   * Long functions are followed only where they are among the relevant: where calls lead to a use.
   * Of the others, only those in the scope, those that hand arguments into it, and those that keep
   * answers for them.
   */
  restrict(relevant: ReadonlySet<F>, scope: ReadonlySet<F>): void {
    this.#relevant = relevant;
    const { index, functionFor } = this.#input;
    const isIn = (f: F | undefined) => f !== undefined && scope.has(f);
    this.#worth = index.all.filter((f) => {
      if (!this.#isWorth(f)) return false;
      const keeps = f.code.cpuid || f.code.written.length > 0;
      return keeps || isIn(f) || f.code.targets.some((target) => isIn(functionFor(target)));
    });
  }

  /** From now on only calls in these count, and all callers of a function are known. */
  limit(open: ReadonlySet<F>, callersOf: (f: F) => readonly F[] | undefined): void {
    this.#open = open;
    this.#callersOf = callersOf;
  }

  #isWorth(f: F): boolean {
    return tellsCaller(f) || this.#relevant.has(f);
  }

  /** Follows functions, once more if they were followed before, and whatever their answers reach. */
  follow(functions: Iterable<F>): void {
    for (const f of functions) if (this.#isWorth(f)) this.#pending.add(f);
    for (let round = 0; round < ROUNDS && this.#pending.size > 0; round++) {
      const now = [...this.#pending].toSorted((a, b) => costOf(a) - costOf(b));
      this.#pending.clear();
      const touched = new Set<F>();
      for (const f of now) if (this.#followOne(f)) touched.add(f);
      this.#spread(touched);
    }
    this.#pending.clear();
  }

  #followOne(f: F): boolean {
    if (this.#followed.size >= MOST_FOLLOWED && !this.#followed.has(f)) return false;
    // What is too long is taken as it stands; shorter ones may still fit.
    const most = isFirst(f) ? MOST_INSTRUCTIONS * 2 : MOST_INSTRUCTIONS;
    if (this.#spent + f.code.instructions > most) return false;
    this.#spent += f.code.instructions;
    if (f.code.instructions > LONGEST || f.code.instructions === 0) {
      this.#followed.set(f, undefined);
      return false;
    }
    this.#current = f;
    const parameters = this.#parameters.get(f) ?? new Map<number, Value>();
    const bytes = this.#input.bytesOf(f);
    const iced = new IcedReader(bytes.table, bytes.bytes);
    try {
      const blocks = this.#blocks.get(f) ?? blocksOf(bytes, iced);
      this.#blocks.set(f, blocks);
      const findings = followFunction({ ...bytes, blocks, iced }, f.start, this, parameters);
      this.#followed.set(f, findings);
    } finally {
      iced.free();
    }
    return true;
  }

  #spread(touched: ReadonlySet<F>): void {
    const changed = this.#spreadVariables();
    const returning = this.#returning;
    const callees = new Set<F>();
    for (const f of touched) {
      const summary = this.#ownSummary(f);
      const before = returning.get(f);
      if (isSameSummary(before, summary)) continue;
      returning.set(f, summary);
      callees.add(f);
    }
    const parameters = this.#spreadParameters();
    this.#spreadFields(touched);
    for (const f of parameters) this.#pending.add(f);
    if (changed.size === 0 && callees.size === 0) return;
    const { index, stubs, image } = this.#input;
    const news = { variables: changed, callees };
    const touches = new Touches(index, stubs, (place) => image.pointerAt(place), news);
    for (const f of this.#worth) if (touches.by(f)) this.#pending.add(f);
  }

  readonly #returning = new Map<F, Summary>();

  /** Variables that hold answers; returns where something changed. */
  #spreadVariables(): Set<number> {
    const { image } = this.#input;
    const stores = new Map<number, Store[]>();
    for (const findings of this.#followed.values()) {
      for (const store of findings?.stores ?? []) {
        const list = stores.get(store.address);
        if (list === undefined) stores.set(store.address, [store]);
        else list.push(store);
      }
    }
    const changed = new Set<number>();
    for (const [address, all] of stores) {
      if (!all.some(({ value }) => value.asked) || !image.isWritable(address)) continue;
      const initial = image.pointerAt(address) ?? image.numberAt(address, 4) ?? 0;
      let value: Value = number(initial, true);
      for (const store of all) if (store.open) value = markAsked(join(value, store.value));
      const before = this.#variables.get(address);
      // Never surer than before: else two functions could change each other's mind for ever.
      if (before !== undefined) value = markAsked(join(before, value));
      if (before !== undefined && before.kind === value.kind && before.n === value.n) continue;
      this.#variables.set(address, value);
      changed.add(grain(address));
    }
    return changed;
  }

  #ownSummary(f: F): Summary {
    const findings = this.#followed.get(f);
    if (findings === undefined) return NOTHING;
    const { returned, results } = findings;
    const short = f.code.instructions <= GETTER_INSTRUCTIONS || f.code.cpuid;
    const survey = f.code.cpuid && f.code.instructions > SETTER_INSTRUCTIONS;
    // A long function's result has many reasons, most of them not the CPU's.
    const known = returned.kind === "number" && f.code.instructions <= SETTER_INSTRUCTIONS;
    const value = short || known ? returned : UNKNOWN;
    const more = short ? findings.more : NOTHING.more;
    const fills = f.code.cpuid && f.code.instructions <= GETTER_INSTRUCTIONS;
    return {
      value: value.asked ? value : UNKNOWN,
      results: short ? results : NOTHING.results,
      fills,
      more,
      fields: findings.fields,
      // Who looks at all that a CPU has asserts what every CPU has.
      refuses: findings.returnsIfAny && !survey,
    };
  }

  /** Arguments that are answers; returns the functions for which they changed. */
  #spreadParameters(): Set<F> {
    const given = new Map<F, CallSite[]>();
    for (const [caller, findings] of this.#followed) {
      if (this.#open?.has(caller) === false) continue;
      for (const { target, values, open } of findings?.calls ?? []) {
        const callee = this.#input.functionFor(target);
        if (callee === undefined || !open || !this.#takes(callee, values)) continue;
        const list = given.get(callee);
        if (list === undefined) given.set(callee, [{ caller: caller.start, values }]);
        else list.push({ caller: caller.start, values });
      }
    }
    const changed = new Set<F>();
    for (const [callee, sites] of given) {
      const known = this.#parameters.get(callee);
      const fresh = parametersOf(sites, this.#isComplete(callee, sites));
      if ((known?.size ?? 0) === 0 && fresh.size === 0) continue;
      if (isSameMap(known, fresh)) continue;
      this.#parameters.set(callee, fresh);
      changed.add(callee);
    }
    return changed;
  }

  /** Whether what a function is given may matter: it leads to a use, or may refuse to come back. */
  #takes(callee: F, values: ReadonlyMap<number, Value>): boolean {
    if (this.#relevant.has(callee)) return true;
    if (callee.code.instructions > GETTER_INSTRUCTIONS) return false;
    return [...values.values()].some(({ asked }) => asked);
  }

  /** Whether these are all the calls of a function that run openly. */
  #isComplete(callee: F, sites: readonly CallSite[]): boolean {
    const callers = this.#callersOf(callee);
    if (callers === undefined || this.#open === undefined) return false;
    const known = new Set(sites.map(({ caller }) => caller));
    return callers.every((f) => {
      if (this.#open?.has(f) !== true || known.has(f.start)) return true;
      // It was followed, and its calls are all guarded.
      return this.#followed.get(f)?.calls.some(({ target }) => target === callee.start) === true;
    });
  }

  #spreadFields(touched: ReadonlySet<F>): void {
    for (const f of touched) {
      for (const [field, size] of this.#followed.get(f)?.fields ?? []) {
        if (field >= FAR_FIELD || (field > 0 && size <= 4)) this.#fields.set(field, size);
      }
    }
  }

  // What a function that is followed sees of the world.

  load(address: number, size: number): Value | undefined {
    const { image, importFor, isAnswerName, isKnownAnswer } = this.#input;
    if (address >= ELSEWHERE) return NO;
    if (isKnownAnswer(address)) return NO;
    const kept = this.#variable(address, size);
    if (kept !== undefined) return kept;
    const name = size === 8 ? importFor(address) : undefined;
    if (name !== undefined) return isAnswerName(name) ? number(ELSEWHERE, true) : undefined;
    // Who executes CPUID fills variables that nobody has written to before.
    if (image.isWritable(address) && this.#current?.code.cpuid !== true) return undefined;
    const value = size === 8 ? image.pointerAt(address) : undefined;
    const read = value ?? image.numberAt(address, size);
    return read === undefined ? undefined : truncate(number(read), size);
  }

  #variable(address: number, size: number): Value | undefined {
    const exact = this.#variables.get(address);
    if (exact !== undefined) return truncate(exact, size);
    for (let before = 1; before < 8; before++) {
      const around = this.#variables.get(address - before);
      if (around === undefined) continue;
      return around.kind === "number" && around.n === 0 ? NO : unknown(true);
    }
    return undefined;
  }

  isAnswerField(displacement: number, size: number): boolean {
    const kept = this.#fields.get(displacement);
    return kept !== undefined && (displacement >= FAR_FIELD || kept === size);
  }

  summary(target: number, argument: Value): Summary | undefined {
    const callee = this.#input.functionFor(target);
    const known = callee === undefined ? undefined : this.#returning.get(callee);
    if (
      known !== undefined &&
      (known.value.asked || known.fills || known.refuses || known.fields.size > 0)
    ) {
      return known;
    }
    if (callee?.name !== undefined && this.#input.isAnswerName(callee.name)) {
      return { ...NOTHING, value: NO };
    }
    // A static C library's getauxval has no name; 26 is AT_HWCAP2.
    if (callee !== undefined && this.#input.usesFsgsbase && isNumber(argument, 26)) {
      return { ...NOTHING, value: NO };
    }
    if (callee !== undefined) return this.#answered() ?? known;
    return this.#ofImport(this.#input.importFor(target), argument);
  }

  summaryAt(place: number, argument: Value): Summary | undefined {
    const held = this.heldAt(place);
    if (held !== undefined) return this.summary(held, argument);
    return this.#ofImport(this.#input.importFor(place), argument);
  }

  #ofImport(name: string | undefined, argument: Value): Summary | undefined {
    if (name === undefined) return undefined;
    if (name === "getauxval" && argument.kind === "number" && HARDWARE.has(argument.n)) {
      return { ...NOTHING, value: NO };
    }
    if (this.#input.isAnswerName(name)) return { ...NOTHING, value: number(ELSEWHERE, true) };
    return this.#answered();
  }

  /** In a function that reads what the kernel says of the CPU, whatever is called may tell it. */
  #answered(): Summary | undefined {
    const { questions } = this.#input;
    if (questions.size === 0 || this.#current === undefined) return undefined;
    const asks = this.#current.code.references.some((address) => questions.has(address));
    return asks ? { ...NOTHING, value: ASKED } : undefined;
  }

  heldAt(place: number): number | undefined {
    const held = this.#input.image.pointerAt(place);
    return held !== undefined && this.isCode(held) ? held : undefined;
  }

  isCode(address: number): boolean {
    return this.#input.isCode(address);
  }

  isData(address: number): boolean {
    const { low, high } = this.#input.image;
    // Small numbers are no addresses, though files that can be moved begin at zero.
    return address >= low + HEADERS && address < high && !this.isCode(address);
  }
}

/** What an ELF file begins with. */
const HEADERS = 0x200;

function isNumber({ kind, n }: Value, wanted: number): boolean {
  return kind === "number" && n === wanted;
}

/** What a longer function returns has many reasons, most of them not the CPU's. */
export function tellsCaller({ code }: Pick<Followed, "code">): boolean {
  return code.cpuid || code.instructions <= SETTER_INSTRUCTIONS;
}

/** Who asks, and what needs an answer. */
function isFirst({ code: { cpuid, uses } }: Followed): boolean {
  return cpuid || uses.size > 0;
}

/** What comes first, then what is soon done. */
function costOf(f: Followed): number {
  const { instructions } = f.code;
  return isFirst(f) ? instructions - LONGEST : instructions;
}
