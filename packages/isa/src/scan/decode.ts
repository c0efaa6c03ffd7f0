/**
 * Reads one function: first what is reached from its start, then what lies between, if the
 * function's bounds are known. Never blindly: bytes that no path leads to stay unread.
 */
import { Decoder, DecoderOptions, Instruction } from "iced-x86";
import type { Image } from "../elf/image.ts";
import { addressesAt, distancesAt } from "../flow/jump-tables.ts";
import { SECOND_MAP } from "../flow/short-forms.ts";
import { decodeShort, NO_REGISTER, short } from "../flow/short.ts";
import { shortFlow } from "../flow/short-flow.ts";
import { Flow, learn, type CodeTable } from "./codes.ts";
import { noteIced, noteShort, type Noted } from "./references.ts";
import { isOdd, isZeros, readStretches } from "./stretches.ts";

/**
 * How sure it is that bytes are an instruction of the program:
 * - `certain`: reached from the function's start by branches alone
 * - `likely`: between such code, inside the function's bounds, and reads as code to its end:
 *   switch cases, exception handlers
 * - `doubtful`: does not read as code to its end, or nothing leads there; probably data
 */
export const GRADES = ["certain", "likely", "doubtful"] as const;
export type Grade = (typeof GRADES)[number];
const [CERTAIN, LIKELY, DOUBTFUL] = [0, 1, 2] as const;
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
  /** Those of {@link references} that are only taken: data, or a function to call later. */
  readonly taken: readonly number[];
  /** Places that calls and jumps take their addresses from. */
  readonly slots: readonly number[];
  /** Those of {@link references} that are written to. */
  readonly written: readonly number[];
  /** Offsets that computed jumps lead to, by tables that were found. */
  readonly cases: ReadonlyMap<number, readonly number[]>;
  /** Whether it executes CPUID. */
  readonly cpuid: boolean;
  /** Instructions on floating-point numbers in the form that every CPU has. */
  readonly plainFloats: number;
  readonly instructions: number;
  /** Offset of an instruction that this decoder does not know, on a path from the start. */
  readonly unknownAt: number | undefined;
  /** Bytes inside the bounds that are no code that could be read. */
  readonly unread: number;
  /** Bytes from the start to the end of the last instruction. */
  readonly extent: number;
}

interface Switch {
  /** Offset behind the jump. */
  readonly next: number;
  readonly cases: readonly number[];
  /** Whether the code says how many cases there are. */
  readonly counted: boolean;
}

interface State extends Noted {
  readonly table: CodeTable;
  /** The function's bytes, and a few behind them. */
  readonly code: Buffer;
  readonly bytes: Buffer;
  readonly start: number;
  /** Made when the first instruction needs it. */
  decoder: Decoder | undefined;
  /** Per byte: 0 unread, 1 an instruction starts here, 2 inside one. */
  readonly seen: Uint8Array;
  readonly uses: Map<number, number>;
  readonly straight: Set<number>;
  readonly targets: number[];
  readonly straightTargets: number[];
  readonly work: number[];
  /** Cases of computed jumps that were not read yet. */
  readonly switched: Switch[];
  readonly cases: Map<number, readonly number[]>;
  /** What the last comparison with a number compared with. */
  compared: number | undefined;
  plainFloats: number;
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

/** Reads the table of a computed jump that ends at `next`, if one can be found. */
function readCases(state: State, next: number): void {
  const { image, start, bytes, taken } = state;
  if (image === undefined || state.cases.has(next)) return;
  const { memory, base, index, displacement, opcode } = short;
  if (opcode !== 0xff) return;
  const bounds = {
    start,
    end: start + bytes.length,
    cases: state.compared === undefined ? undefined : state.compared + 1,
  };
  const fixed = image.fixed && memory && base === NO_REGISTER && index !== NO_REGISTER;
  // The table's address was taken not long before the jump.
  const tables = fixed ? [displacement] : taken.slice(-4).toReversed();
  for (const table of tables) {
    const found = fixed ? addressesAt(image, table, bounds) : distancesAt(image, table, bounds);
    if (found.length < 2) continue;
    const cases = [...new Set(found.map((address) => address - start))];
    state.switched.push({ next, cases, counted: bounds.cases !== undefined });
    state.cases.set(next, cases);
    return;
  }
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
    case Flow.jump:
      readCases(state, next);
      return undefined;
    case Flow.halt:
      return state.kernel ? next : undefined;
    case Flow.end:
    case Flow.invalid:
      return undefined;
    default:
      return next;
  }
}

const ENDS_ANYWAY: ReadonlySet<Flow> = new Set([Flow.call, Flow.call32, Flow.nop]);

/** Decodes what the short decoder leaves to iced. */
function decodeIced(state: State, at: number): void {
  state.decoder ??= new Decoder(64, state.code, DecoderOptions.None);
  state.decoder.position = at;
  state.decoder.decodeOut(instruction);
}

const COMPARE_IMMEDIATE = new Set([0x3c, 0x3d, 0x80, 0x81, 0x83]);

/** Remembers how many cases a switch has: `cmp $7, %eax; ja default`. */
function noteComparison(state: State): void {
  const { opcode, modrm, immediate } = short;
  if (!COMPARE_IMMEDIATE.has(opcode)) return;
  if (opcode >= 0x80 && ((modrm >> 3) & 7) !== 7) return;
  state.compared = immediate > 0 ? immediate : undefined;
}

/** ADDSS to MAXPD, and moves of single numbers: code built with AVX has other forms of them. */
function isFloat(): boolean {
  const { opcode, prefix } = short;
  if (opcode >= SECOND_MAP + 0x58 && opcode <= SECOND_MAP + 0x5f) return true;
  return opcode >= SECOND_MAP + 0x10 && opcode <= SECOND_MAP + 0x11 && prefix >= 2;
}

/** From an offset until the path ends or meets what was read. */
function descend(state: State, from: number, grade: GradeIndex): void {
  const { bytes, code, table, seen } = state;
  let at: number | undefined = from;
  let last: Flow = Flow.next;
  state.compared = undefined;
  while (at !== undefined && at < bytes.length && seen[at] !== 1) {
    if (isZeros(bytes, at)) {
      state.broken = true;
      return;
    }
    let length = decodeShort(code, at);
    let flow: Flow;
    let needing = 0;
    if (length > 0) {
      flow = shortFlow();
      noteShort(state, at);
      noteComparison(state);
      if (isFloat()) state.plainFloats += 1;
    } else {
      decodeIced(state, at);
      ({ length } = instruction);
      const form = instruction.code;
      flow = (table.flows[form] || learn(table, form, instruction)) as Flow;
      state.broken ||= flow === Flow.invalid || (flow === Flow.odd && !state.kernel);
      if (flow === Flow.invalid) {
        if (grade === CERTAIN) state.unknownAt ??= at;
        return;
      }
      if (table.needs[form] !== 0) needing = form;
      noteIced(state, instruction, at);
    }
    // What the function's end cuts in two belongs to whatever is behind it.
    if (at + length > bytes.length) return;
    mark(seen, at, length);
    state.instructions += 1;
    state.extent = Math.max(state.extent, at + length);
    if (needing !== 0) {
      count(state.uses, needing, grade);
      if (state.onStraight) state.straight.add(needing);
    }
    at = follow(state, flow, at + length);
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

/** Reads what was queued, then what computed jumps lead to, which is less sure. */
function drainAll(state: State, grade: GradeIndex): void {
  drain(state, grade);
  for (let found = state.switched.pop(); found !== undefined; found = state.switched.pop()) {
    const { next, cases, counted } = found;
    // Behind a table whose length is not known there may be another one.
    const credible = counted ? cases : cases.filter((offset) => startsPath(state, offset));
    state.cases.set(next, credible);
    state.work.push(...credible);
    drain(state, Math.max(grade, LIKELY) as GradeIndex);
  }
}

/** Enough instructions to tell code from what is no code. */
const TRIAL = 24;

/** Whether the bytes from an offset read as code and fit what was read before. */
function startsPath(state: State, from: number): boolean {
  const { table, bytes, code, seen } = state;
  let at = from;
  for (let i = 0; i < TRIAL && at < bytes.length; i++) {
    if (seen[at] !== 0) return seen[at] === 1;
    if (isZeros(bytes, at)) return false;
    const length = decodeShort(code, at);
    let flow = shortFlow();
    if (length === 0) {
      decodeIced(state, at);
      const form = instruction.code;
      flow = (table.flows[form] || learn(table, form, instruction)) as Flow;
      if (flow === Flow.invalid || (isOdd(flow) && !state.kernel)) return false;
    }
    at += length === 0 ? instruction.length : length;
    if (flow === Flow.end || flow === Flow.jump) return true;
    if (flow === Flow.jump8 || flow === Flow.jump32) return true;
  }
  return true;
}

/** Whether the bytes from `from` read as code, one instruction after another, to `to` exactly. */
function readsAsCode(state: State, from: number, to: number): boolean {
  const { table, bytes, code } = state;
  let at = from;
  while (at < to) {
    if (isZeros(bytes, at)) return false;
    const length = decodeShort(code, at);
    at += length;
    if (length > 0) continue;
    decodeIced(state, at);
    const form = instruction.code;
    const flow = (table.flows[form] || learn(table, form, instruction)) as Flow;
    if (flow === Flow.invalid || (isOdd(flow) && !state.kernel)) return false;
    at += instruction.length;
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
        drainAll(state, LIKELY);
      }
    } else {
      state.decoder ??= new Decoder(64, state.code, DecoderOptions.None);
      const reader = { table: state.table, decoder: state.decoder, bytes, kernel: state.kernel };
      readStretches(reader, at, end, (code) => count(uses, code, DOUBTFUL));
      unread += end - at;
    }
    at = end;
  }
  return unread;
}

const NO_USES: ReadonlyMap<number, number> = new Map();
const NO_CODES: ReadonlySet<number> = new Set();
const NOWHERE: readonly number[] = [];
const NO_CASES: ReadonlyMap<number, readonly number[]> = new Map();

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
    slots: orNowhere(state.slots),
    cases: state.cases.size === 0 ? NO_CASES : state.cases,
    cpuid,
    plainFloats: state.plainFloats,
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
    slots: NOWHERE,
    cases: NO_CASES,
    cpuid: false,
    plainFloats: 0,
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
  /** Undefined before the file is linked. */
  readonly image: Image | undefined;
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
  { bounded, kernel, start: sure, image }: ReadOptions,
): FunctionCode {
  const bytes = code.subarray(0, size);
  const state: State = {
    table,
    code,
    decoder: undefined,
    image,
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
    slots: [],
    work: [0],
    switched: [],
    cases: new Map(),
    compared: undefined,
    plainFloats: 0,
    onStraight: true,
    cpuid: false,
    instructions: 0,
    unknownAt: undefined,
    extent: 0,
    broken: false,
    kernel,
  };
  try {
    drainAll(state, GRADES.indexOf(sure) as GradeIndex);
    if (state.broken && sure !== "certain") return notCode(state);
    return resultOf(state, bounded ? sweep(state) : 0);
  } finally {
    state.decoder?.free();
  }
}
