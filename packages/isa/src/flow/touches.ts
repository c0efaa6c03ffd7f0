/** Which functions read or write a variable, or call a function, of which something new is known. */
import type { FunctionCode } from "../code/function-code.ts";
import type { FunctionIndex } from "../code/function-index.ts";

/** Variables are looked for by eights: a word may be read by its bytes. */
export function grain(address: number): number {
  return Math.floor(address / 8);
}

/** What is read through an address that was taken lies not far behind it. */
const TAKEN_GRAINS = 8;

/** Most addresses are none of the wanted ones, which this tells without looking at them. */
class Grains {
  readonly #all = new Set<number>();
  readonly #sieve = new Uint8Array(1 << 16);

  add(wanted: number): void {
    this.#all.add(wanted);
    this.#sieve[wanted & 0xffff] = 1;
  }

  hasAny(addresses: readonly number[]): boolean {
    for (const address of addresses) {
      if (this.#sieve[(address / 8) & 0xffff] === 1 && this.#all.has(grain(address))) return true;
    }
    return false;
  }
}

interface Placed {
  readonly start: number;
  readonly end: number;
  readonly code: FunctionCode;
}

export interface News<F> {
  /** {@link grain}s of variables. */
  readonly variables: ReadonlySet<number>;
  readonly callees: ReadonlySet<F>;
}

export class Touches<F extends Placed> {
  readonly #index: FunctionIndex<F>;
  readonly #pointerAt: (place: number) => number | undefined;
  readonly #variables = new Grains();
  /** What lies behind taken addresses. */
  readonly #behind = new Grains();
  readonly #hasVariables: boolean;
  readonly #hasCallees: boolean;
  /** By a function's index: whether it is one of the callees, or a stub that leads to one. */
  readonly #callees: Uint8Array;

  /** `stubs`: functions that only jump to another one. */
  constructor(
    index: FunctionIndex<F>,
    stubs: ReadonlyMap<F, F>,
    pointerAt: (place: number) => number | undefined,
    { variables, callees }: News<F>,
  ) {
    this.#index = index;
    this.#pointerAt = pointerAt;
    for (const variable of variables) {
      this.#variables.add(variable);
      for (let i = 1; i < TAKEN_GRAINS; i++) this.#behind.add(variable - i);
    }
    this.#hasVariables = variables.size > 0;
    this.#hasCallees = callees.size > 0;
    this.#callees = new Uint8Array(index.all.length);
    const leading = [...stubs].flatMap(([stub, to]) => (callees.has(to) ? [stub] : []));
    for (const f of [...callees, ...leading]) this.#callees[index.indexOf(f.start)] = 1;
  }

  by({ code: { references, targets, slots, written, taken } }: F): boolean {
    if (this.#hasVariables) {
      if (this.#variables.hasAny(references) || this.#variables.hasAny(written)) return true;
      if (this.#behind.hasAny(taken)) return true;
    }
    if (!this.#hasCallees) return false;
    for (const target of targets) if (this.#isCallee(target)) return true;
    for (const slot of slots) {
      const held = this.#pointerAt(slot);
      if (held !== undefined && this.#isCallee(held)) return true;
    }
    return false;
  }

  #isCallee(address: number): boolean {
    return this.#callees[this.#index.lastAtOrBefore(address)] === 1;
  }
}
