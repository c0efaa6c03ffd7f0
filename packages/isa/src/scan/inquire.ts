/** Sets up the following of answers through a program: what is an answer, and who is followed. */
import { Inquiry } from "../flow/inquiry.ts";
import { CallGraph } from "./call-graph.ts";
import { dispatcherOf } from "./dispatchers.ts";
import { findReach, findRoots, Tables, type Entrances, type Reach, type Roots } from "./guard.ts";
import { STUB_INSTRUCTIONS, type Asking } from "./asks.ts";
import type { Program } from "./program.ts";
import { regionAt } from "./regions.ts";
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

/** Bytes behind a function that its last instruction may seem to reach into. */
const BEHIND = 14;

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

function importsOf({ relocations }: Program): Map<number, string> {
  return new Map(
    relocations.flatMap(({ place, symbol }) =>
      symbol !== undefined && symbol.section === 0 ? [[place, symbol.name] as const] : [],
    ),
  );
}

/** Names behind which calls do not come back. */
const NEVER_RETURNS =
  /^(?:_?_?exit|_Exit|abort|quick_exit|__assert_fail|__stack_chk_fail|__cxa_(?:throw|rethrow|bad_cast)|_Unwind_Resume|_ZSt\d+(?:terminate|__throw_)\w*|__fortify_fail|__chk_fail|longjmp|siglongjmp|pthread_exit|err|errx|verr|verrx)$/;

function isAnswerName(name: string): boolean {
  return dispatcherOf(name) !== undefined || name === "__x86_get_cpuid_feature_leaf";
}

function usesFeature({ functions, table }: Program["code"], feature: string): boolean {
  return functions.some(({ code: { uses } }) =>
    [...uses.keys()].some((key) =>
      (table.sets[table.needs[Math.floor(key / 3)] ?? 0] ?? []).includes(feature),
    ),
  );
}

function makeInquiry(
  program: Program,
  { answers }: Asking,
  questions: ReadonlySet<number>,
): Inquiry<ReadFunction> {
  const { code, layout, image } = program;
  const { functions, index, table } = code;
  const { regions } = layout;
  if (image === undefined) throw new Error("only a linked program can be followed");
  const imports = importsOf(program);
  const isCode = (address: number) => regionAt(regions, address) !== undefined;
  const stubSlot = ({ code: { instructions, slots } }: ReadFunction) =>
    instructions <= STUB_INSTRUCTIONS && slots.length === 1 ? slots[0] : undefined;
  const behindStub = (slot: number) => index.at(image.pointerAt(slot) ?? Number.NaN);
  const functionFor = (address: number): ReadFunction | undefined => {
    const f = index.at(address);
    const slot = f === undefined ? undefined : stubSlot(f);
    return slot === undefined ? f : behindStub(slot);
  };
  const stubs = new Map(
    functions.flatMap((stub) => {
      const slot = stubSlot(stub);
      const to = slot === undefined ? undefined : behindStub(slot);
      return to === undefined ? [] : [[stub, to] as const];
    }),
  );
  const importFor = (address: number): string | undefined => {
    const known = imports.get(address);
    if (known !== undefined || !isCode(address)) return known;
    const f = index.at(address);
    const slot = f === undefined ? undefined : stubSlot(f);
    return slot === undefined ? undefined : imports.get(slot);
  };
  return new Inquiry<ReadFunction>({
    index,
    stubs,
    image,
    functionFor,
    importFor,
    isCode,
    isKnownAnswer: (address) => answers.some(([start, end]) => address >= start && address < end),
    isAnswerName,
    questions,
    usesFsgsbase: usesFeature(code, "FSGSBASE"),
    bytesOf: (f) => {
      const region = regionAt(regions, f.start);
      const from = f.start - (region?.start ?? 0);
      const size = f.bounded ? f.end - f.start : f.code.extent;
      const bytes = region?.bytes.subarray(from, from + size + BEHIND) ?? Buffer.alloc(0);
      const endsAt = (next: number, target: number) => {
        // The end of a function behind a call means that the call does not come back.
        if (next >= size) return true;
        const name = importFor(f.start + target) ?? index.at(f.start + target)?.name;
        return name !== undefined && NEVER_RETURNS.test(name);
      };
      return { bytes, size, code: f.code, table, gaps: f.bounded, endsAt };
    },
  });
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

/**
 * Finds what runs without a question. `byName`: pointers are not followed, as in a program that
 * has a dispatcher of its own: what it reaches through pointers counts as chosen.
 */
export function inquire(program: Program, asking: Asking, byName: boolean): Inquest {
  const { code, image, layout } = program;
  const { functions, index } = code;
  const entrances = entrancesOf(program);
  const found = findRoots(index, entrances);
  // The loader calls what chooses for it.
  const roots = { ...found, started: [...found.started, ...asking.ifuncs] };
  const isCode = (address: number) => regionAt(layout.regions, address) !== undefined;
  const needed = functions.some((f) => f.code.uses.size > 0);
  const questions = new Set(needed ? addressesOfText(program.elf, "/proc/cpuinfo\0") : []);
  const inquiry =
    image === undefined || !needed ? undefined : makeInquiry(program, asking, questions);
  const users = functions.filter(({ code: { uses } }) => uses.size > 0);
  const graph = byName ? undefined : new CallGraph(index, image);
  const relevant =
    graph === undefined || inquiry === undefined
      ? new Set<ReadFunction>(byName ? roots.main : [])
      : graph.ancestorsOf(users);
  const tables =
    image === undefined || byName
      ? undefined
      : new Tables(image, index, isCode, arrayEnds(program));
  const { library } = entrances;
  const input = {
    index,
    roots,
    byName: library || byName,
    image,
    tables: library ? undefined : tables,
    isCode,
    findings: (f: ReadFunction) => inquiry?.findings(f),
    opaque: (f: ReadFunction) =>
      asking.choosers.has(f) && inquiry?.findings(f) === undefined && !roots.main.includes(f),
  };
  inquiry?.restrict(relevant);
  inquiry?.follow(seedsOf(program, asking, roots, relevant, questions));
  let reach = findReach(input);
  if (inquiry !== undefined && graph !== undefined && asking.choosers.size > 0) {
    const pointed = new Set(image?.pointers.values);
    const callersOf = (f: ReadFunction) => (pointed.has(f.start) ? undefined : graph.callersOf(f));
    for (let again = 0; again < REFINEMENTS; again++) {
      const open = [...relevant].filter((f) => reach.open.has(f));
      if (open.length === 0 || open.length > MOST_ANCESTORS) break;
      inquiry.limit(new Set(reach.open.keys()), callersOf);
      inquiry.follow(open);
      const before = reach.open.size;
      reach = findReach(input);
      if (reach.open.size === before) break;
    }
  }
  const gaveUp = (f: ReadFunction) => {
    const findings = inquiry?.findings(f);
    return roots.silent.includes(f) ? findings?.returnsIfAny === true : findings?.refuses === true;
  };
  const readsKernel = functions.some((f) => f.code.references.some((a) => questions.has(a)));
  const refuses = !library && roots.main.some((f) => gaveUp(f));
  return { reach, inquiry, readsKernel, refuses };
}
