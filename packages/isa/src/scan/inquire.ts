/** Sets up the following of answers through a program: what is an answer, and who is followed. */
import { tellsCaller, type Inquiry } from "../flow/inquiry.ts";
import { CallGraph } from "./call-graph.ts";
import {
  findDoors,
  findReach,
  findRoots,
  Tables,
  type Entrances,
  type Reach,
  type Roots,
} from "./guard.ts";
import { STUB_INSTRUCTIONS, type Asking } from "./asks.ts";
import { makeInquiry } from "./make-inquiry.ts";
import type { Program } from "./program.ts";
import { regionAt } from "./regions.ts";
import { findScope, type Scope } from "./scope.ts";
import { addressesOfText } from "./texts.ts";
import type { ReadFunction } from "./walk.ts";

export interface Inquest {
  readonly reach: Reach;
  readonly inquiry: Inquiry<ReadFunction> | undefined;
  /** Whether the file reads what the kernel says of the CPU. */
  readonly readsKernel: boolean;
  /** Whether `main` gives up where the CPU answers no. */
  readonly refuses: boolean;
}

/** A file whose functions ask in so many places is not followed further than they. */
const MOST_ANCESTORS = 1500;

/** What turns out to be guarded makes others known to be so. */
const REFINEMENTS = 3;

/** Imported functions of which the answer is an argument away. */
const AUXILIARY = new Set(["getauxval", "__getauxval", "__x86_get_cpuid_feature_leaf"]);

function entrancesOf({ elf, layout, ...program }: Program): Entrances {
  const { entry } = elf.header;
  const region = regionAt(layout.regions, entry);
  const entryBytes = region?.bytes.subarray(entry - region.start, entry - region.start + 64);
  return {
    entry: program.linked ? entry : Number.NaN,
    entryBytes: entryBytes ?? Buffer.alloc(0),
    constructors: program.constructors,
    library: program.kind !== "executable",
    image: program.image,
  };
}

/** Where arrays of constructors end, by which start: their ends are no starts of anything. */
function arrayEnds({ elf }: Program): Map<number, number> {
  return new Map(
    elf.sections
      .filter(({ name }) => /^\.(?:preinit|init|fini)_array/.test(name))
      .map(({ address, size }) => [address + size, address]),
  );
}

function seedsOf(
  { code, relocations }: Program,
  asking: Asking,
  roots: Roots,
  relevant: ReadonlySet<ReadFunction>,
  questions: ReadonlySet<number>,
): Set<ReadFunction> {
  // A constructor that neither asks nor leads to a use has nothing to say.
  const started = roots.started.filter((f) => relevant.has(f));
  const seeds = new Set([...asking.choosers, ...started, ...roots.main]);
  const slots = new Set(
    relocations.filter(({ symbol }) => AUXILIARY.has(symbol?.name ?? "")).map(({ place }) => place),
  );
  const stubs = new Set(
    code.functions
      .filter(
        (f) => f.code.instructions <= STUB_INSTRUCTIONS && f.code.slots.some((s) => slots.has(s)),
      )
      .map(({ start }) => start),
  );
  if (questions.size === 0 && slots.size === 0) return seeds;
  for (const f of code.functions) {
    const asks =
      f.code.references.some((a) => questions.has(a)) ||
      f.code.slots.some((slot) => slots.has(slot)) ||
      f.code.targets.some((target) => stubs.has(target));
    if (asks) seeds.add(f);
  }
  return seeds;
}

/** How the program is followed: what it may reach, what answers it gets, and from where. */
class Case {
  readonly #program: Program;
  readonly #asking: Asking;
  readonly #byName: boolean;
  readonly #entrances: Entrances;
  readonly #roots: Roots;
  readonly #questions: ReadonlySet<number>;
  readonly #inquiry: Inquiry<ReadFunction> | undefined;
  readonly #graph: CallGraph | undefined;
  readonly #relevant: ReadonlySet<ReadFunction>;

  constructor(program: Program, asking: Asking, byName: boolean) {
    const { code, image } = program;
    const users = code.functions.filter(({ code: { uses } }) => uses.size > 0);
    this.#program = program;
    this.#asking = asking;
    this.#byName = byName;
    this.#entrances = entrancesOf(program);
    const found = findRoots(code.index, this.#entrances);
    // The loader calls what chooses for it.
    this.#roots = { ...found, started: [...found.started, ...asking.ifuncs] };
    const needed = users.length > 0;
    this.#questions = new Set(needed ? addressesOfText(program.elf, "/proc/cpuinfo\0") : []);
    this.#inquiry =
      image === undefined || !needed ? undefined : makeInquiry(program, asking, this.#questions);
    this.#graph = byName ? undefined : new CallGraph(code.index, image);
    this.#relevant =
      this.#graph === undefined || this.#inquiry === undefined
        ? new Set(byName ? this.#roots.main : [])
        : this.#graph.ancestorsOf(users);
  }

  decide(): Inquest {
    const inquiry = this.#inquiry;
    const search = this.#search();
    const scope = this.#scope(search);
    if (scope !== undefined) inquiry?.restrict(this.#relevant, scope.all);
    inquiry?.follow(
      seedsOf(this.#program, this.#asking, this.#roots, this.#relevant, this.#questions),
    );
    const reach = this.#refine(findReach(search), search);
    const { functions } = this.#program.code;
    const readsKernel = functions.some((f) =>
      f.code.references.some((a) => this.#questions.has(a)),
    );
    const refuses = !this.#entrances.library && this.#roots.main.some((f) => this.#gaveUp(f));
    return { reach, inquiry, readsKernel, refuses };
  }

  #search(): Parameters<typeof findReach>[0] {
    const { layout, image, code } = this.#program;
    const { library } = this.#entrances;
    const roots = this.#roots;
    const isCode = (address: number) => regionAt(layout.regions, address) !== undefined;
    const findings = (f: ReadFunction) => this.#inquiry?.findings(f);
    const tables =
      image === undefined || this.#byName || library
        ? undefined
        : new Tables(image, code.index, isCode, arrayEnds(this.#program));
    return {
      index: code.index,
      roots,
      doors: findDoors({ index: code.index, image }, roots),
      byName: library || this.#byName,
      image,
      tables,
      isCode,
      findings,
      opaque: (f: ReadFunction) =>
        this.#asking.choosers.has(f) && findings(f) === undefined && !roots.main.includes(f),
    };
  }

  #scope({
    index,
    image,
    tables,
    isCode,
    doors,
  }: Parameters<typeof findReach>[0]): Scope | undefined {
    if (image === undefined || this.#inquiry === undefined) return undefined;
    const { started, main, exported } = this.#roots;
    const { entered, variants } = doors;
    const users = index.all.filter(({ code: { uses } }) => uses.size > 0);
    return findScope(
      { index, image, tables, isCode },
      [...started, ...main, ...entered, ...variants, ...exported],
      [...users, ...main],
      tellsCaller,
    );
  }

  /** What turned out to be guarded gives nothing to those it calls: they are followed once more. */
  #refine(first: Reach, search: Parameters<typeof findReach>[0]): Reach {
    const [inquiry, graph] = [this.#inquiry, this.#graph];
    if (inquiry === undefined || graph === undefined || this.#asking.choosers.size === 0)
      return first;
    const pointed = new Set(this.#program.image?.pointers.values);
    const callersOf = (f: ReadFunction) => (pointed.has(f.start) ? undefined : graph.callersOf(f));
    let reach = first;
    for (let again = 0; again < REFINEMENTS; again++) {
      const open = [...this.#relevant].filter((f) => reach.open.has(f));
      if (open.length === 0 || open.length > MOST_ANCESTORS) break;
      inquiry.limit(new Set(reach.open.keys()), callersOf);
      inquiry.follow(open);
      const before = reach.open.size;
      reach = findReach(search);
      if (reach.open.size === before) break;
    }
    return reach;
  }

  #gaveUp(f: ReadFunction): boolean {
    const findings = this.#inquiry?.findings(f);
    return this.#roots.silent.includes(f)
      ? findings?.returnsIfAny === true
      : findings?.refuses === true;
  }
}

/**
 * Finds what runs without a question. `byName`: pointers are not followed, as in a program that
 * has a dispatcher of its own: what it reaches through pointers counts as chosen.
 */
export function inquire(program: Program, asking: Asking, byName: boolean): Inquest {
  return new Case(program, asking, byName).decide();
}
