/** Who calls whom, or takes whose address, as two arrays: there may be a million calls. */
import type { Image } from "../elf/image.ts";
import { lastAtOrBefore } from "./functions.ts";
import type { ReadFunction } from "./walk.ts";

export class CallGraph {
  readonly #functions: readonly ReadFunction[];
  readonly #byStart: Map<number, number>;
  /** Callers of the i-th function: those from `first[i]` to `first[i + 1]`. */
  readonly #first: Int32Array;
  readonly #callers: Int32Array;

  constructor(functions: readonly ReadFunction[], image: Image | undefined) {
    this.#functions = functions;
    this.#byStart = new Map(functions.map(({ start }, i) => [start, i]));
    const counts = new Int32Array(functions.length + 1);
    this.#eachCall(image, (_, callee) => {
      counts[callee + 1] = (counts[callee + 1] ?? 0) + 1;
    });
    for (let i = 1; i < counts.length; i++) counts[i] = (counts[i] ?? 0) + (counts[i - 1] ?? 0);
    this.#first = counts.slice();
    this.#callers = new Int32Array(counts.at(-1) ?? 0);
    this.#eachCall(image, (caller, callee) => {
      const at = counts[callee] ?? 0;
      this.#callers[at] = caller;
      counts[callee] = at + 1;
    });
  }

  #eachCall(image: Image | undefined, found: (caller: number, callee: number) => void): void {
    for (const [i, { code }] of this.#functions.entries()) {
      for (const address of code.targets) {
        const callee = this.#byStart.get(address) ?? lastAtOrBefore(this.#functions, address);
        if (callee >= 0 && callee !== i) found(i, callee);
      }
      for (const address of code.taken) {
        const callee = this.#byStart.get(address);
        if (callee !== undefined && callee !== i) found(i, callee);
      }
      for (const slot of code.slots) {
        const held = image?.pointerAt(slot);
        const callee = held === undefined ? undefined : this.#byStart.get(held);
        if (callee !== undefined && callee !== i) found(i, callee);
      }
    }
  }

  callersOf({ start }: ReadFunction): ReadFunction[] {
    const i = this.#byStart.get(start);
    if (i === undefined) return [];
    const callers = this.#callers.subarray(this.#first[i] ?? 0, this.#first[i + 1] ?? 0);
    return [...new Set(callers)].flatMap((caller) => this.#functions[caller] ?? []);
  }

  /** The functions from which calls lead to one of these, themselves included. */
  ancestorsOf(functions: Iterable<ReadFunction>): Set<ReadFunction> {
    const seen = new Set<number>();
    for (const { start } of functions) {
      const i = this.#byStart.get(start);
      if (i !== undefined) seen.add(i);
    }
    for (const i of seen) {
      const end = this.#first[i + 1] ?? 0;
      for (let at = this.#first[i] ?? 0; at < end; at++) seen.add(this.#callers[at] ?? 0);
    }
    return new Set([...seen].flatMap((i) => this.#functions[i] ?? []));
  }
}
