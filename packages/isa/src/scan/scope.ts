/**
 * Whom an inquiry must follow to judge the uses of features: functions on a way from where the
 * system enters the file to a use, and whatever small functions tell those. All others may ask
 * what they like: nothing that is judged depends on it.
 */
import type { Image } from "../elf/image.ts";
import type { FunctionIndex } from "../code/function-index.ts";
import type { Tables } from "./guard.ts";
import type { ReadFunction } from "./walk.ts";

export interface ScopeInput {
  readonly index: FunctionIndex<ReadFunction>;
  readonly image: Image;
  /** Undefined where pointers in data are not followed. */
  readonly tables: Tables | undefined;
  readonly isCode: (address: number) => boolean;
}

/** Functions and tables of pointers as one graph, as far as some functions lead. */
class Ways {
  readonly #input: ScopeInput;
  /** Tables have numbers behind those of the functions. */
  readonly #tables = new Map<number, number>();
  readonly #addresses: number[] = [];
  /** Those that lead to each node, in the order in which they were found. */
  readonly #from: number[] = [];
  readonly #to: number[] = [];
  readonly reached: Set<number>;

  constructor(input: ScopeInput, roots: Iterable<ReadFunction>) {
    this.#input = input;
    this.reached = new Set([...roots].map(({ start }) => input.index.indexOf(start)));
    // A set is walked in the order of insertion, so that additions are met in turn.
    for (const node of this.reached) {
      this.#each(node, (next) => {
        this.#from.push(node);
        this.#to.push(next);
        this.reached.add(next);
      });
    }
  }

  #each(node: number, lead: (next: number) => void): void {
    const { index, tables } = this.#input;
    const f = index.all[node];
    if (f !== undefined) {
      eachCallee(this.#input, f, lead);
      if (tables === undefined) return;
      for (const address of f.code.references) this.#table(address, lead);
      return;
    }
    const content = tables?.at(this.#addresses[node - index.all.length] ?? 0);
    for (const { start } of content?.functions ?? []) lead(index.indexOf(start));
    for (const address of content?.tables ?? []) this.#table(address, lead);
  }

  #table(address: number, lead: (next: number) => void): void {
    const { index, isCode } = this.#input;
    if (isCode(address)) return;
    let node = this.#tables.get(address);
    if (node === undefined) {
      node = index.all.length + this.#addresses.length;
      this.#tables.set(address, node);
      this.#addresses.push(address);
    }
    lead(node);
  }

  /** What leads to some nodes, themselves included. */
  leadingTo(nodes: Iterable<number>): Set<number> {
    const first = new Map<number, number>();
    const next = new Int32Array(this.#to.length);
    for (const [edge, to] of this.#to.entries()) {
      next[edge] = first.get(to) ?? -1;
      first.set(to, edge);
    }
    const found = new Set(nodes);
    for (const node of found) {
      for (let edge = first.get(node) ?? -1; edge >= 0; edge = next[edge] ?? -1) {
        found.add(this.#from[edge] ?? 0);
      }
    }
    return found;
  }
}

/** By name, through a slot, or by an address that is taken or lies where the function reads. */
function eachCallee(
  { index, image }: ScopeInput,
  { code }: ReadFunction,
  lead: (callee: number) => void,
): void {
  const at = (address: number | undefined) => {
    const callee = address === undefined ? -1 : index.lastAtOrBefore(address);
    if (callee >= 0) lead(callee);
  };
  for (const target of code.targets) at(target);
  for (const address of code.taken) at(address);
  for (const place of code.references) at(image.pointerAt(place));
}

export interface Scope {
  /** On a way to a use. */
  readonly leading: ReadonlySet<ReadFunction>;
  /** Those, and what may tell them something. */
  readonly all: ReadonlySet<ReadFunction>;
}

/**
 * `roots`: where the file is entered; `aims`: what is to be judged, if anything leads to it;
 * `tells`: whether a function is one that tells its caller what others told it.
 */
export function findScope(
  input: ScopeInput,
  roots: readonly ReadFunction[],
  aims: readonly ReadFunction[],
  tells: (f: ReadFunction) => boolean,
): Scope {
  const { index } = input;
  const ways = new Ways(input, roots);
  const nodes = aims.map(({ start }) => index.indexOf(start)).filter((i) => ways.reached.has(i));
  const leading = ways.leadingTo(nodes);
  const all = new Set([...leading].filter((node) => node < index.all.length));
  for (const node of all) {
    const f = index.all[node];
    if (f !== undefined && (leading.has(node) || tells(f))) {
      eachCallee(input, f, (callee) => all.add(callee));
    }
  }
  const functions = (found: Iterable<number>) =>
    new Set([...found].flatMap((node) => index.all[node] ?? []));
  return { leading: functions(leading), all: functions(all) };
}
