/** What registers, flags and the stack hold at one point of a function. */
import { joinFlags, NO_FLAGS, sameFlags, type Flags } from "./flags.ts";
import {
  ASKED,
  isSame,
  join,
  onStack,
  preferring,
  unknown,
  UNKNOWN,
  type Value,
} from "./values.ts";

export const RAX = 0;
export const RCX = 1;
export const RDX = 2;
export const RBX = 3;
export const RSP = 4;
export const RBP = 5;
export const RSI = 6;
export const RDI = 7;

/** Numbers of parameters that are on the stack: the first one, behind the return address. */
export const FIRST_STACK_ARGUMENT = 100;

/**
 * Numbers of parameters that lie in a structure whose address a register holds: by register, then
 * by their offset.
 */
export const FIRST_POINTEE = 1000;
export const POINTEE_SIZE = 256;

/** Such a structure is kept as a stack of its own, so far from the function's. */
const REGION = 2 ** 30;

/** Whether a slot is on the function's own stack, or its caller's. */
export function isOwnSlot(slot: number): boolean {
  return Math.abs(slot) < REGION / 2;
}

export interface State {
  readonly registers: Value[];
  /** Shared with other states until it is written to: see {@link setSlot}. */
  stack: ReadonlyMap<number, Value>;
  ownsStack: boolean;
  flags: Flags;
  /** Blocks up to which what runs depends on an answer: where the ways meet again, sorted. */
  conditions: readonly number[];
}

/** Slots of a function that keeps more than this on its stack are not all remembered. */
const MOST_SLOTS = 256;

function ownStack(state: State): Map<number, Value> {
  if (!state.ownsStack) {
    state.stack = new Map(state.stack);
    state.ownsStack = true;
  }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- just made, or made before
  return state.stack as Map<number, Value>;
}

export function setSlot(state: State, slot: number, value: Value): void {
  const known = state.stack.get(slot);
  if (value === UNKNOWN) {
    if (known !== undefined) ownStack(state).delete(slot);
    return;
  }
  if (known !== undefined && isSame(known, value)) return;
  if (known === undefined && state.stack.size >= MOST_SLOTS && !value.asked) return;
  ownStack(state).set(slot, value);
}

/** At a function's start; `parameters` by register. */
export function entryState(parameters: ReadonlyMap<number, Value>): State {
  const registers = Array.from({ length: 16 }, (_, i) => parameters.get(i) ?? UNKNOWN);
  registers[RSP] = onStack(0);
  const stack = new Map<number, Value>();
  for (const [key, value] of parameters) {
    if (key >= FIRST_POINTEE) {
      const register = Math.floor((key - FIRST_POINTEE) / POINTEE_SIZE);
      const region = REGION * (register + 1);
      registers[register] = onStack(region);
      stack.set(region + ((key - FIRST_POINTEE) % POINTEE_SIZE), value);
    } else if (key >= FIRST_STACK_ARGUMENT) {
      stack.set(8 + (key - FIRST_STACK_ARGUMENT) * 8, value);
    }
  }
  return {
    registers,
    stack,
    ownsStack: false,
    flags: NO_FLAGS,
    conditions: NO_CONDITIONS,
  };
}

const NO_CONDITIONS: readonly number[] = [];

export function copyState(state: State): State {
  state.ownsStack = false;
  const { registers, stack, flags, conditions } = state;
  return { registers: registers.slice(), stack, ownsStack: false, flags, conditions };
}

function mergeStacks(
  a: State["stack"],
  b: State["stack"],
  pick: (x: Value, y: Value) => Value,
  differs: boolean,
): State["stack"] {
  if (a === b || a.size === 0) return a;
  let merged: Map<number, Value> | undefined;
  for (const [slot, value] of a) {
    const other = b.get(slot);
    const kept =
      other === undefined
        ? value.asked || differs
          ? pick(value, ASKED)
          : UNKNOWN
        : pick(value, other);
    if (isSame(kept, value)) continue;
    merged ??= new Map(a);
    if (kept === UNKNOWN) merged.delete(slot);
    else merged.set(slot, kept);
  }
  return merged ?? a;
}

function union(a: readonly number[], b: readonly number[]): readonly number[] {
  if (a === b || b.every((block) => a.includes(block))) return a;
  return [...new Set([...a, ...b])].toSorted((x, y) => x - y);
}

/** The first state itself where the second changes nothing. */
function merge(a: State, b: State, pick: (x: Value, y: Value) => Value, differs: boolean): State {
  let registers: Value[] | undefined;
  for (let i = 0; i < 16; i++) {
    const [x, y] = [a.registers[i] ?? UNKNOWN, b.registers[i] ?? UNKNOWN];
    if (x === y) continue;
    const picked = pick(x, y);
    if (isSame(picked, x)) continue;
    registers ??= a.registers.slice();
    registers[i] = picked;
  }
  const stack = mergeStacks(a.stack, b.stack, pick, differs);
  const flags = sameFlags(a.flags, b.flags) ? a.flags : joinFlags(a.flags, b.flags, differs);
  const conditions = union(a.conditions, b.conditions);
  const isA = registers === undefined && stack === a.stack && conditions === a.conditions;
  if (isA && sameFlags(flags, a.flags)) return a;
  a.ownsStack = false;
  return {
    registers: registers ?? a.registers.slice(),
    stack,
    ownsStack: false,
    flags,
    conditions,
  };
}

/** Two ways of the same kind meet. */
export function joinStates(a: State, b: State): State {
  return merge(a, b, join, false);
}

/** Two ways meet that an answer parted, and it is not known which of them was taken. */
export function joinParted(a: State, b: State): State {
  const parted = (x: Value, y: Value) => {
    const joined = join(x, y);
    return joined.kind === "unknown" && x !== y && !isSame(x, y) ? unknown(true) : joined;
  };
  return merge(a, b, parted, !sameFlags(a.flags, b.flags));
}

/** The way that is taken where the CPU has nothing meets the one that is taken where it has. */
export function preferState(taken: State, other: State): State {
  const merged = merge(taken, other, preferring, true);
  return {
    ...merged,
    registers: merged.registers.slice(),
    flags: taken.flags,
    conditions: taken.conditions,
  };
}

export function sameState(a: State, b: State): boolean {
  if (a === b) return true;
  if (!sameFlags(a.flags, b.flags) || a.stack.size !== b.stack.size) return false;
  if (a.conditions.length !== b.conditions.length) return false;
  if (a.conditions.some((block, i) => block !== b.conditions[i])) return false;
  if (a.registers.some((value, i) => !isSame(value, b.registers[i] ?? UNKNOWN))) return false;
  if (a.stack === b.stack) return true;
  for (const [slot, value] of a.stack) {
    const other = b.stack.get(slot);
    if (other === undefined || !isSame(value, other)) return false;
  }
  return true;
}
