/** A function while it is read: its bytes, what was seen of them, and what was found. */
import type { Image } from "../elf/image.ts";
import type { CodeTable, Flow } from "./codes.ts";
import type { GradeIndex } from "./function-code.ts";
import { IcedReader } from "./iced-reader.ts";
import { List } from "./list.ts";

/** The cases of a computed jump. */
export interface Switch {
  /** Offset behind the jump. */
  readonly next: number;
  readonly cases: readonly number[];
  /** Whether the code says how many cases there are. */
  readonly counted: boolean;
}

/** Where the code of a region lies, and what it is part of. */
export interface Surroundings {
  /** All of the region's bytes. */
  readonly bytes: Buffer;
  /** The address of the first one. */
  readonly start: number;
  /** Whether kernels' instructions are nothing unusual here. */
  readonly kernel: boolean;
  /** Undefined before the file is linked. */
  readonly image: Image | undefined;
}

/**
 * Made once for a region, and used for one function after another: there are a hundred thousand.
 * Offsets are those in the region's bytes.
 */
export class Reading {
  readonly table: CodeTable;
  readonly bytes: Buffer;
  /** The address of the region's first byte. */
  readonly base: number;
  readonly kernel: boolean;
  readonly image: Image | undefined;
  readonly iced: IcedReader;
  /** Whether instructions name addresses as plain numbers. */
  readonly fixed: boolean;

  /** Where the function starts, and ends. */
  from = 0;
  to = 0;
  /** Per byte of the function: 0 unread, 1 an instruction starts here, 2 inside one. */
  seen = new Uint8Array(1 << 16);
  uses = new Map<number, number>();
  straight = new Set<number>();
  cases = new Map<number, readonly number[]>();
  readonly targets = new List();
  readonly straightTargets = new List();
  readonly references = new List();
  readonly taken = new List();
  readonly written = new List();
  readonly slots = new List();
  readonly work = new List();
  /** Cases of computed jumps that were not read yet. */
  readonly switched: Switch[] = [];
  /** What the last comparison with a number compared with; -1 where there was none. */
  compared = -1;
  plainFloats = 0;
  onStraight = true;
  cpuid = false;
  instructions = 0;
  unknownAt: number | undefined;
  /** Offset behind the last instruction. */
  extent = 0;
  /** Whether a path led to something that no program contains. */
  broken = false;

  constructor(table: CodeTable, { bytes, start, kernel, image }: Surroundings) {
    this.table = table;
    this.bytes = bytes;
    this.base = start;
    this.kernel = kernel;
    this.image = image;
    this.fixed = image?.fixed === true;
    this.iced = new IcedReader(table, bytes);
  }

  /** Forgets the last function; what was not taken of it is lost. */
  begin(from: number, to: number): void {
    this.from = from;
    this.to = to;
    const size = to - from;
    // One more: whoever looks for a byte that was not read stops there.
    if (size >= this.seen.length) this.seen = new Uint8Array(size * 2);
    else this.seen.fill(0, 0, size + 1);
    if (this.uses.size > 0) this.uses = new Map();
    if (this.straight.size > 0) this.straight = new Set();
    if (this.cases.size > 0) this.cases = new Map();
    for (const list of [this.targets, this.straightTargets, this.references]) list.size = 0;
    for (const list of [this.taken, this.written, this.slots, this.work]) list.size = 0;
    this.switched.length = 0;
    this.compared = -1;
    this.plainFloats = 0;
    this.onStraight = true;
    this.cpuid = false;
    this.instructions = 0;
    this.unknownAt = undefined;
    this.extent = from;
    this.broken = false;
  }

  mark(at: number, length: number): void {
    const { seen } = this;
    const first = at - this.from;
    seen[first] = 1;
    for (let i = first + 1; i < first + length; i++) if (seen[i] === 0) seen[i] = 2;
  }

  count(code: number, grade: GradeIndex): void {
    const key = code * 3 + grade;
    this.uses.set(key, (this.uses.get(key) ?? 0) + 1);
  }

  /** A call, or a jump out of the function. */
  leave(target: number): void {
    this.targets.push(this.base + target);
    if (this.onStraight) this.straightTargets.push(this.base + target);
  }

  isInside(offset: number): boolean {
    return offset >= this.from && offset < this.to;
  }

  branch(target: number): void {
    if (this.isInside(target)) this.work.push(target);
    else this.targets.push(this.base + target);
  }

  /** Decodes what the short decoder leaves to iced. */
  decodeIced(at: number): Flow {
    return this.iced.decode(at);
  }

  free(): void {
    this.iced.free();
  }
}
