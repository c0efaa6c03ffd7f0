/** Reads and writes what instructions name: registers and places in memory. */
import { NO_REGISTER, RIP, short } from "../code/short.ts";
import { setSlot, type State } from "./state.ts";
import { ASKED, number, operate, truncate, unknown, UNKNOWN, type Value } from "./values.ts";

/** What the machine is told of the world outside of the function. */
interface Memory {
  /** What a fixed address holds; undefined where nothing is known of it. */
  load(address: number, size: number): Value | undefined;
  /** Whether answers are kept at this distance from the start of some structure. */
  isAnswerField(displacement: number, size: number): boolean;
  /** Called for each store; `base` is undefined where nothing is known of the address. */
  store(place: Place, value: Value, size: number): void;
  /** Called where an instruction names an address without reading just that place. */
  take(address: number, asked: boolean): void;
  /** Called where an address comes into a register. */
  name(address: number): void;
}

export type Place =
  | { readonly kind: "fixed"; readonly address: number }
  | { readonly kind: "stack"; readonly slot: number }
  | { readonly kind: "field"; readonly displacement: number; readonly asked: boolean };

export interface Machine {
  readonly state: State;
  readonly memory: Memory;
  /** The address behind the instruction. */
  next: number;
}

export function operandSize(wide: boolean): number {
  if (!wide) return 1;
  if ((short.rex & 8) !== 0) return 8;
  return short.prefix === 1 ? 2 : 4;
}

export function readRegister({ registers }: State, register: number, size: number): Value {
  // Without REX, numbers 4 to 7 are the second bytes of the first four registers.
  if (size === 1 && short.rex === 0 && register >= 4 && register < 8) {
    return truncate(operate("shr", registers[register - 4] ?? UNKNOWN, number(8), 8), 1);
  }
  return truncate(registers[register] ?? UNKNOWN, size);
}

export function writeRegister(
  { registers }: State,
  register: number,
  value: Value,
  size: number,
): void {
  if (size >= 4) {
    registers[register] = truncate(value, size);
    return;
  }
  if (size === 1 && short.rex === 0 && register >= 4 && register < 8) {
    registers[register - 4] = unknown(value.asked || registers[register - 4]?.asked === true);
    return;
  }
  const old = registers[register] ?? UNKNOWN;
  const mask = number(size === 1 ? -256 : -65_536);
  // Of an unknown register's other bytes nobody who reads them asks here.
  const kept = old.kind === "number" ? operate("and", old, mask, 8) : number(0, old.asked);
  registers[register] = operate("or", kept, truncate(value, size), 8);
}

function placeOf({ state, memory, next }: Machine): Place {
  const { base, index, scale, displacement, segment } = short;
  if (segment) return { kind: "field", displacement: 0, asked: false };
  if (base === RIP) return { kind: "fixed", address: next + displacement };
  const start = base === NO_REGISTER ? number(0) : (state.registers[base] ?? UNKNOWN);
  const step = index === NO_REGISTER ? number(0) : (state.registers[index] ?? UNKNOWN);
  const asked = start.asked || step.asked;
  if (step.kind === "number" && start.kind === "unknown" && scale === 1 && index !== NO_REGISTER) {
    // Either register may hold the table's start.
    memory.take(step.n + displacement, asked);
    return { kind: "field", displacement: 0, asked };
  }
  if (step.kind === "number") {
    const offset = step.n * scale + displacement;
    if (start.kind === "stack") return { kind: "stack", slot: start.n + offset };
    if (start.kind === "number") return { kind: "fixed", address: start.n + offset };
    return { kind: "field", displacement: index === NO_REGISTER ? displacement : 0, asked };
  }
  // A table: its start is known, the place in it is not.
  if (start.kind === "number") memory.take(start.n + displacement, asked);
  return { kind: "field", displacement: 0, asked };
}

function loadAt({ state, memory }: Machine, place: Place, size: number): Value {
  if (place.kind === "stack") {
    const value = truncate(state.stack.get(place.slot) ?? UNKNOWN, size);
    // Two fields that were stored one by one: only whether one of them is an answer is known.
    const upper = size === 8 ? state.stack.get(place.slot + 4) : undefined;
    return upper === undefined || isZero(upper) ? value : unknown(value.asked || upper.asked);
  }
  if (place.kind === "fixed") return memory.load(place.address, size) ?? UNKNOWN;
  return unknown(place.asked || memory.isAnswerField(place.displacement, size));
}

export function readOperand(machine: Machine, size: number): Value {
  if (!short.memory) return readRegister(machine.state, short.rm, size);
  return loadAt(machine, placeOf(machine), size);
}

export function writeOperand(machine: Machine, value: Value, size: number): void {
  if (!short.memory) {
    writeRegister(machine.state, short.rm, value, size);
    return;
  }
  const place = placeOf(machine);
  if (place.kind === "stack") {
    setSlot(machine.state, place.slot, truncate(value, size));
    if (size === 8) setSlot(machine.state, place.slot + 4, upperHalf(value));
  }
  machine.memory.store(place, value, size);
}

function isZero({ kind, n }: Value): boolean {
  return kind === "number" && n === 0;
}

/** What is read four bytes behind a number of eight: only of answers it is asked. */
function upperHalf(value: Value): Value {
  if (!value.asked) return UNKNOWN;
  return value.kind === "number" && value.n >= 0 && value.n < 2 ** 32 ? number(0, true) : ASKED;
}
