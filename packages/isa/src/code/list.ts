/** A list that is filled again and again: its memory stays, what is taken from it is a copy. */
import { NOWHERE } from "./function-code.ts";

export class List {
  readonly #items: number[] = [];
  size = 0;

  push(item: number): void {
    this.#items[this.size++] = item;
  }

  pop(): number | undefined {
    return this.size === 0 ? undefined : this.#items[--this.size];
  }

  /** The last `count` items, the very last one first. */
  latest(count: number): number[] {
    return this.#items.slice(Math.max(0, this.size - count), this.size).toReversed();
  }

  /** Everything in it; it is empty afterwards. */
  take(): readonly number[] {
    const { size } = this;
    this.size = 0;
    return size === 0 ? NOWHERE : this.#items.slice(0, size);
  }
}
