/** A program as the following of answers sees it: functions through their stubs, names, bytes. */
import type { FunctionBytes } from "../flow/blocks.ts";
import { Inquiry } from "../flow/inquiry.ts";
import { STUB_INSTRUCTIONS, type Asking } from "./asks.ts";
import { dispatcherOf } from "./dispatchers.ts";
import type { Program } from "./program.ts";
import { regionAt } from "./regions.ts";
import type { ReadFunction } from "./walk.ts";

/** Bytes behind a function that its last instruction may seem to reach into. */
const BEHIND = 14;

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

/** Sees through stubs: functions that do nothing but jump to where a slot of the GOT leads. */
class Stubs {
  readonly #program: Program;
  readonly #imports: ReadonlyMap<number, string>;

  constructor(program: Program) {
    this.#program = program;
    this.#imports = importsOf(program);
  }

  isCode(address: number): boolean {
    return regionAt(this.#program.layout.regions, address) !== undefined;
  }

  #behind(slot: number): ReadFunction | undefined {
    const { code, image } = this.#program;
    return code.index.at(image?.pointerAt(slot) ?? Number.NaN);
  }

  /** The function that begins at an address, or that a stub there leads to. */
  functionFor(address: number): ReadFunction | undefined {
    const f = this.#program.code.index.at(address);
    const slot = f === undefined ? undefined : slotOfStub(f);
    return slot === undefined ? f : this.#behind(slot);
  }

  /** The imported name that a place holds, or that a stub leads to. */
  importFor(address: number): string | undefined {
    const known = this.#imports.get(address);
    if (known !== undefined || !this.isCode(address)) return known;
    const f = this.#program.code.index.at(address);
    const slot = f === undefined ? undefined : slotOfStub(f);
    return slot === undefined ? undefined : this.#imports.get(slot);
  }

  /** Every stub that leads to a function of the program. */
  all(): Map<ReadFunction, ReadFunction> {
    const found = new Map<ReadFunction, ReadFunction>();
    for (const stub of this.#program.code.functions) {
      const slot = slotOfStub(stub);
      const to = slot === undefined ? undefined : this.#behind(slot);
      if (to !== undefined) found.set(stub, to);
    }
    return found;
  }
}

function slotOfStub({ code: { instructions, slots } }: ReadFunction): number | undefined {
  return instructions <= STUB_INSTRUCTIONS && slots.length === 1 ? slots[0] : undefined;
}

function bytesOf({ code, layout }: Program, stubs: Stubs, f: ReadFunction): FunctionBytes {
  const region = regionAt(layout.regions, f.start);
  const from = f.start - (region?.start ?? 0);
  const size = f.bounded ? f.end - f.start : f.code.extent;
  const bytes = region?.bytes.subarray(from, from + size + BEHIND) ?? Buffer.alloc(0);
  const endsAt = (next: number, target: number) => {
    // The end of a function behind a call means that the call does not come back.
    if (next >= size) return true;
    const address = f.start + target;
    const name = stubs.importFor(address) ?? code.index.at(address)?.name;
    return name !== undefined && NEVER_RETURNS.test(name);
  };
  return { bytes, size, code: f.code, table: code.table, gaps: f.bounded, endsAt };
}

/** Follows the answers of a linked program. */
export function makeInquiry(
  program: Program,
  { answers }: Asking,
  questions: ReadonlySet<number>,
): Inquiry<ReadFunction> {
  const { code, image } = program;
  if (image === undefined) throw new Error("only a linked program can be followed");
  const stubs = new Stubs(program);
  return new Inquiry<ReadFunction>({
    index: code.index,
    stubs: stubs.all(),
    image,
    functionFor: (address) => stubs.functionFor(address),
    importFor: (address) => stubs.importFor(address),
    isCode: (address) => stubs.isCode(address),
    isKnownAnswer: (address) => answers.some(([start, end]) => address >= start && address < end),
    isAnswerName,
    questions,
    usesFsgsbase: usesFeature(code, "FSGSBASE"),
    bytesOf: (f) => bytesOf(program, stubs, f),
  });
}
