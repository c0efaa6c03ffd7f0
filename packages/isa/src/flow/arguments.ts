/** What a function hands on where it calls another one. */
import {
  FIRST_POINTEE,
  FIRST_STACK_ARGUMENT,
  isOwnSlot,
  POINTEE_SIZE,
  RAX,
  RCX,
  RDI,
  RDX,
  RSI,
  RSP,
  type State,
} from "./state.ts";
import { UNKNOWN, type Value } from "./values.ts";

/** The registers of the System V psABI, in their order. */
export const ARGUMENTS = [RDI, RSI, RDX, RCX, 8, 9];
/** Assembly jumps from one function into another with answers in these too. */
const CARRIED = [...ARGUMENTS, RAX, 10, 11];
const STACK_ARGUMENTS = 8;

/** Answers in a structure of the caller's whose address is handed on. */
function notePointee(
  values: Map<number, Value>,
  register: number,
  start: number,
  stack: State["stack"],
): void {
  if (!isOwnSlot(start)) return;
  for (const [slot, value] of stack) {
    const offset = slot - start;
    if (value.asked && offset >= 0 && offset < POINTEE_SIZE) {
      values.set(FIRST_POINTEE + register * POINTEE_SIZE + offset, value);
    }
  }
}

/** By the numbers that parameters have in the entry state; `jump`: it jumps there instead. */
export function argumentsOf({ registers, stack }: State, jump: boolean): Map<number, Value> {
  const values = new Map<number, Value>();
  for (const register of jump ? CARRIED : ARGUMENTS) {
    const value = registers[register] ?? UNKNOWN;
    values.set(register, value);
    if (value.kind === "stack") notePointee(values, register, value.n, stack);
  }
  const top = registers[RSP];
  if (top?.kind !== "stack") return values;
  // Behind a jump the return address is still on the stack.
  const first = top.n + (jump ? 8 : 0);
  for (let i = 0; i < STACK_ARGUMENTS; i++) {
    const value = stack.get(first + i * 8);
    if (value?.asked === true || value?.kind === "number")
      values.set(FIRST_STACK_ARGUMENT + i, value);
  }
  return values;
}
