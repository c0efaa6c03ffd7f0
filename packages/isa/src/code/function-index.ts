/** Functions sorted by address, and which of them an address lies in. */

interface Placed {
  readonly start: number;
  /** Not included. */
  readonly end: number;
}

/** So many functions share a stretch of addresses, roughly: a few steps find one of them. */
const PER_STRETCH = 2;

/** Addresses are looked up by the million: the stretch that one lies in says where to search. */
export class FunctionIndex<T extends Placed> {
  /** Sorted by address. */
  readonly all: readonly T[];
  readonly #starts: Float64Array;
  readonly #low: number;
  readonly #stretch: number;
  /** How many functions start before each stretch. */
  readonly #before: Int32Array;

  constructor(sorted: readonly T[]) {
    this.all = sorted;
    this.#starts = new Float64Array(sorted.length);
    for (const [at, { start }] of sorted.entries()) this.#starts[at] = start;
    const count = Math.max(1, Math.ceil(sorted.length / PER_STRETCH));
    this.#low = this.#starts[0] ?? 0;
    const span = (this.#starts.at(-1) ?? 0) - this.#low + 1;
    this.#stretch = Math.max(1, span / count);
    this.#before = new Int32Array(count + 2);
    let i = 0;
    for (let stretch = 0; stretch < this.#before.length; stretch++) {
      const limit = this.#low + stretch * this.#stretch;
      while (i < sorted.length && (this.#starts[i] ?? 0) < limit) i += 1;
      this.#before[stretch] = i;
    }
  }

  /** The index of the last function that starts at or before an address; -1 if none does. */
  lastAtOrBefore(address: number): number {
    const starts = this.#starts;
    if (!(address >= this.#low)) return -1;
    const stretch = Math.floor((address - this.#low) / this.#stretch);
    if (stretch + 1 >= this.#before.length) return starts.length - 1;
    // Rounding may put an address that lies on a border on either side of it.
    let low = this.#before[Math.max(0, stretch - 1)] ?? 0;
    let high = this.#before[Math.min(stretch + 2, this.#before.length - 1)] ?? starts.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((starts[middle] ?? Infinity) <= address) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  /** The index of the function that starts at an address; -1 where none does. */
  indexOf(start: number): number {
    const i = this.lastAtOrBefore(start);
    return this.#starts[i] === start ? i : -1;
  }

  /** The function that an address lies in. */
  at(address: number): T | undefined {
    const f = this.all[this.lastAtOrBefore(address)];
    return f !== undefined && address < f.end ? f : undefined;
  }
}
