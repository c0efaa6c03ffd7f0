/** Who calls whom, or takes whose address, as two arrays: there may be a million calls. */
import type { Image } from "../elf/image.ts";
import type { FunctionIndex } from "../code/function-index.ts";
import type { ReadFunction } from "./walk.ts";

export class CallGraph {
  readonly #index: FunctionIndex<ReadFunction>;
  /** Callers of the i-th function: those from `first[i]` to `first[i + 1]`. */
  readonly #first: Int32Array;
  readonly #callers: Int32Array;

  constructor(index: FunctionIndex<ReadFunction>, image: Image | undefined) {
    this.#index = index;
    const counts = new Int32Array(index.all.length + 1);
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
    for (const [i, { code }] of this.#index.all.entries()) {
      for (const address of code.targets) {
        const callee = this.#index.lastAtOrBefore(address);
        if (callee >= 0 && callee !== i) found(i, callee);
      }
      for (const address of code.taken) {
        const callee = this.#index.indexOf(address);
        if (callee >= 0 && callee !== i) found(i, callee);
      }
      for (const slot of code.slots) {
        const held = image?.pointerAt(slot);
        const callee = held === undefined ? -1 : this.#index.indexOf(held);
        if (callee >= 0 && callee !== i) found(i, callee);
      }
    }
  }

  callersOf({ start }: ReadFunction): ReadFunction[] {
    const i = this.#index.indexOf(start);
    if (i < 0) return [];
    const callers = this.#callers.subarray(this.#first[i] ?? 0, this.#first[i + 1] ?? 0);
    return [...new Set(callers)].flatMap((caller) => this.#index.all[caller] ?? []);
  }

  /** The functions from which calls lead to one of these, themselves included. */
  ancestorsOf(functions: Iterable<ReadFunction>): Set<ReadFunction> {
    const seen = new Set<number>();
    for (const { start } of functions) {
      const i = this.#index.indexOf(start);
      if (i >= 0) seen.add(i);
    }
    for (const i of seen) {
      const end = this.#first[i + 1] ?? 0;
      for (let at = this.#first[i] ?? 0; at < end; at++) seen.add(this.#callers[at] ?? 0);
    }
    return new Set([...seen].flatMap((i) => this.#index.all[i] ?? []));
  }
}
