/**
 * Reads one function: first what is reached from its start, then what lies between, if the
 * function's bounds are known. Never blindly: bytes that no path leads to stay unread.
 */
import { Decoder, DecoderOptions, Instruction, Mnemonic, OpKind } from "iced-x86";
import { Flow, learn, type CodeTable } from "./codes.ts";
import { isZeros, readStretches } from "./stretches.ts";

/**
 * How sure it is that bytes are an instruction of the program:
 * - `certain`: reached from the function's start by branches alone
 * - `likely`: between such code, inside the function's bounds, and reads as code to its end:
 *   switch cases, exception handlers
 * - `doubtful`: does not read as code to its end, or nothing leads there; probably data
 */
export const GRADES = ["certain", "likely", "doubtful"] as const;
export type Grade = (typeof GRADES)[number];
const [LIKELY, DOUBTFUL] = [1, 2] as const;
type GradeIndex = 0 | 1 | 2;

export interface FunctionCode {
  /** Instructions that need features: count by code × 3 + grade. */
  readonly uses: ReadonlyMap<number, number>;
  /** Codes on the path that always runs, up to the first condition. */
  readonly straight: ReadonlySet<number>;
  /** Targets of direct calls and of jumps out of the function. */
  readonly targets: readonly number[];
  /** Those of {@link targets} on the path that always runs. */
  readonly straightTargets: readonly number[];
  /** Addresses that instructions name relative to themselves: data, mostly. */
  readonly references: readonly number[];
  /** Those of {@link references} that are taken by LEA: data, or a function to call later. */
  readonly taken: readonly number[];
  /** Those of {@link references} that are written to. */
  readonly written: readonly number[];
  /** Whether it executes CPUID. */
  readonly cpuid: boolean;
  readonly instructions: number;
  /** Offset of an instruction that this decoder does not know, on a path from the start. */
  readonly unknownAt: number | undefined;
  /** Bytes inside the bounds that are no code that could be read. */
  readonly unread: number;
  /** Bytes from the start to the end of the last instruction. */
  readonly extent: number;
}

interface State {
  readonly table: CodeTable;
  readonly decoder: Decoder;
  readonly bytes: Buffer;
  readonly start: number;
  /** Per byte: 0 unread, 1 an instruction starts here, 2 inside one. */
  readonly seen: Uint8Array;
  readonly uses: Map<number, number>;
  readonly straight: Set<number>;
  readonly targets: number[];
  readonly straightTargets: number[];
  readonly references: number[];
  readonly taken: number[];
  readonly written: number[];
  readonly work: number[];
  onStraight: boolean;
  cpuid: boolean;
  instructions: number;
  unknownAt: number | undefined;
  extent: number;
  /** Whether a path led to something that no program contains. */
  broken: boolean;
  /** Whether kernels' instructions are nothing unusual here. */
  readonly kernel: boolean;
}

const instruction = new Instruction();
let scratch = new Uint8Array(1 << 16);

function clearScratch(size: number): Uint8Array {
  if (size > scratch.length) scratch = new Uint8Array(size * 2);
  return scratch.fill(0, 0, size);
}

function mark(seen: Uint8Array, at: number, length: number): void {
  seen[at] = 1;
  for (let i = at + 1; i < at + length; i++) if (seen[i] === 0) seen[i] = 2;
}

/** Instructions whose first operand may be memory that they do not write. */
const READS_ITS_FIRST: ReadonlySet<Mnemonic> = new Set([
  Mnemonic.Bt,
  Mnemonic.Call,
  Mnemonic.Cmp,
  Mnemonic.Jmp,
  Mnemonic.Nop,
  Mnemonic.Push,
  Mnemonic.Test,
]);

function noteReference(state: State, at: number, length: number): void {
  if (!instruction.isIpRelMemoryOperand) return;
  // The decoder's own position only counts on; the difference is what the instruction holds.
  const named = Number(instruction.memoryDisplacement & 0xffff_ffffn);
  const displacement = (named - instruction.nextIP32) | 0;
  const address = state.start + at + length + displacement;
  state.references.push(address);
  const { mnemonic } = instruction;
  if (mnemonic === Mnemonic.Lea) state.taken.push(address);
  else if (instruction.op0Kind === OpKind.Memory && !READS_ITS_FIRST.has(mnemonic)) {
    state.written.push(address);
  }
}

function count(uses: Map<number, number>, code: number, grade: GradeIndex): void {
  const key = code * 3 + grade;
  uses.set(key, (uses.get(key) ?? 0) + 1);
}

function leave(state: State, target: number): void {
  state.targets.push(state.start + target);
  if (state.onStraight) state.straightTargets.push(state.start + target);
}

/** The offset in the function to which a near branch that ends at `next` leads. */
function targetOf(bytes: Buffer, next: number, wide: boolean): number {
  return next + (wide ? bytes.readInt32LE(next - 4) : bytes.readInt8(next - 1));
}

function isInside(state: State, offset: number): boolean {
  return offset >= 0 && offset < state.bytes.length;
}

function branch(state: State, target: number): void {
  if (isInside(state, target)) state.work.push(target);
  else state.targets.push(state.start + target);
}

/** Where the path goes on after the instruction before `next`; undefined where it ends. */
function follow(state: State, flow: Flow, next: number): number | undefined {
  const { bytes } = state;
  // oxlint-disable-next-line typescript/switch-exhaustiveness-check -- the rest goes on
  switch (flow) {
    case Flow.branch8:
    case Flow.branch32:
      state.onStraight = false;
      branch(state, targetOf(bytes, next, flow === Flow.branch32));
      return next;
    case Flow.jump8:
    case Flow.jump32: {
      const target = targetOf(bytes, next, flow === Flow.jump32);
      if (isInside(state, target)) return target;
      leave(state, target);
      return undefined;
    }
    case Flow.call32:
      // A call to the next instruction only reads the instruction pointer.
      if (targetOf(bytes, next, true) !== next) leave(state, targetOf(bytes, next, true));
      return next;
    case Flow.cpuid:
      state.cpuid = true;
      return next;
    case Flow.end:
    case Flow.invalid:
      return undefined;
    default:
      return next;
  }
}

const ENDS_ANYWAY: ReadonlySet<Flow> = new Set([Flow.call, Flow.call32, Flow.nop]);

/** From an offset until the path ends or meets what was read. */
function descend(state: State, from: number, grade: GradeIndex): void {
  const { bytes, table, decoder, seen } = state;
  let at: number | undefined = from;
  decoder.position = from;
  let last: Flow = Flow.next;
  while (at !== undefined && at < bytes.length && seen[at] !== 1) {
    if (isZeros(bytes, at)) {
      state.broken = true;
      return;
    }
    decoder.decodeOut(instruction);
    const { code, length } = instruction;
    const flow = (table.flows[code] || learn(table, code, instruction)) as Flow;
    state.broken ||= flow === Flow.invalid || (flow === Flow.odd && !state.kernel);
    if (flow === Flow.invalid) {
      state.unknownAt ??= at;
      return;
    }
    // What the function's end cuts in two belongs to whatever is behind it.
    if (at + length > bytes.length) return;
    mark(seen, at, length);
    state.instructions += 1;
    state.extent = Math.max(state.extent, at + length);
    if (table.needs[code] !== 0) {
      count(state.uses, code, grade);
      if (state.onStraight) state.straight.add(code);
    }
    noteReference(state, at, length);
    const next: number = at + length;
    at = follow(state, flow, next);
    if (at !== undefined && at !== next) decoder.position = at;
    last = flow;
  }
  // After a call that does not return, or padding, nothing runs into the next function.
  if (at === bytes.length && !ENDS_ANYWAY.has(last)) leave(state, at);
}

function drain(state: State, grade: GradeIndex): void {
  for (let at = state.work.pop(); at !== undefined; at = state.work.pop()) {
    descend(state, at, grade);
    state.onStraight = false;
  }
}

/** Whether the bytes from `from` read as code, one instruction after another, to `to` exactly. */
function readsAsCode(state: State, from: number, to: number): boolean {
  const { decoder, table, bytes } = state;
  decoder.position = from;
  let at = from;
  while (at < to) {
    if (isZeros(bytes, at)) return false;
    decoder.decodeOut(instruction);
    const { code, length } = instruction;
    const flow = table.flows[code] || learn(table, code, instruction);
    if (flow === Flow.invalid || (flow === Flow.odd && !state.kernel)) return false;
    at += length;
  }
  return at === to;
}

/** Reads the gaps that no branch led to. Returns how many bytes are not code. */
function sweep(state: State): number {
  const { seen, bytes, uses } = state;
  let unread = 0;
  for (let at = 0; at < bytes.length; at++) {
    if (seen[at] !== 0) continue;
    let end = at + 1;
    while (end < bytes.length && seen[end] === 0) end += 1;
    if (readsAsCode(state, at, end)) {
      // One path after another: each instruction of the gap is then read once.
      for (let next = at; next < end; next++) {
        if (seen[next] !== 0) continue;
        state.work.push(next);
        drain(state, LIKELY);
      }
    } else {
      readStretches(state, at, end, (code) => count(uses, code, DOUBTFUL));
      unread += end - at;
    }
    at = end;
  }
  return unread;
}

const NO_USES: ReadonlyMap<number, number> = new Map();
const NO_CODES: ReadonlySet<number> = new Set();
const NOWHERE: readonly number[] = [];

/** There are a million functions in a browser: what is empty is shared. */
function orNowhere(addresses: readonly number[]): readonly number[] {
  return addresses.length === 0 ? NOWHERE : addresses;
}

function resultOf(state: State, unread: number): FunctionCode {
  const { uses, straight, cpuid, instructions, unknownAt, extent } = state;
  return {
    uses: uses.size === 0 ? NO_USES : uses,
    straight: straight.size === 0 ? NO_CODES : straight,
    targets: orNowhere(state.targets),
    straightTargets: orNowhere(state.straightTargets),
    references: orNowhere(state.references),
    taken: orNowhere(state.taken),
    written: orNowhere(state.written),
    cpuid,
    instructions,
    unknownAt,
    extent,
    unread,
  };
}

/** What may be data: it needs nothing for sure and leads nowhere. */
export function doubtfulCode(counts: ReadonlyMap<number, number>): FunctionCode {
  return {
    uses: new Map([...counts].map(([code, n]) => [code * 3 + DOUBTFUL, n])),
    straight: NO_CODES,
    targets: NOWHERE,
    straightTargets: NOWHERE,
    references: NOWHERE,
    taken: NOWHERE,
    written: NOWHERE,
    cpuid: false,
    instructions: 0,
    unknownAt: undefined,
    extent: 0,
    unread: 0,
  };
}

/** What seemed a function is data. */
function notCode({ uses }: State): FunctionCode {
  const counts = new Map<number, number>();
  for (const [key, n] of uses) {
    const code = Math.floor(key / 3);
    counts.set(code, (counts.get(code) ?? 0) + n);
  }
  return doubtfulCode(counts);
}

export interface ReadOptions {
  /** Whether a symbol or a frame says where the function ends: then gaps are read too. */
  readonly bounded: boolean;
  readonly kernel: boolean;
  /** How sure it is that the start is a function's. */
  readonly start: Grade;
}

/** Bytes behind a function that its last instruction may seem to reach into. */
export const BEHIND = 14;

/**
 * Reads the function at the address `start` that has the first `size` of these bytes; up to
 * {@link BEHIND} more tell an instruction that is cut off from one that is not known.
 */
export function readFunction(
  table: CodeTable,
  code: Buffer,
  size: number,
  start: number,
  { bounded, kernel, start: sure }: ReadOptions,
): FunctionCode {
  const decoder = new Decoder(64, code, DecoderOptions.None);
  const bytes = code.subarray(0, size);
  const state: State = {
    table,
    decoder,
    bytes,
    start,
    seen: clearScratch(bytes.length),
    uses: new Map(),
    straight: new Set(),
    targets: [],
    straightTargets: [],
    references: [],
    taken: [],
    written: [],
    work: [0],
    onStraight: true,
    cpuid: false,
    instructions: 0,
    unknownAt: undefined,
    extent: 0,
    broken: false,
    kernel,
  };
  try {
    drain(state, GRADES.indexOf(sure) as GradeIndex);
    if (state.broken && sure !== "certain") return notCode(state);
    return resultOf(state, bounded ? sweep(state) : 0);
  } finally {
    decoder.free();
  }
}
