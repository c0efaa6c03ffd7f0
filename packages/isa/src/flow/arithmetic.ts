/** Arithmetic on general registers and memory: ADD to CMP, shifts, NOT and NEG, INC and DEC. */
import { compareFlags, logicFlags, resultFlags, unknownFlags } from "./flags.ts";
import {
  operandSize,
  readOperand,
  readRegister,
  writeOperand,
  writeRegister,
  type Machine,
} from "./operands.ts";
import { short } from "../code/short.ts";
import { push } from "./stack.ts";
import { RAX, RCX, RDX } from "./state.ts";
import { extendSign, number, operate, unknown, type Operation, type Value } from "./values.ts";

const OPERATIONS: readonly (Operation | undefined)[] = [
  "add",
  "or",
  undefined,
  undefined,
  "and",
  "sub",
  "xor",
];
const SHIFTS: Readonly<Record<number, Operation>> = { 4: "shl", 5: "shr", 6: "shl", 7: "sar" };

/** A table's start and a place in it that is not known. */
export function noteSum({ memory }: Machine, a: Value, b: Value): void {
  if (a.kind === "number" && b.kind === "unknown") memory.take(a.n, b.asked);
  if (b.kind === "number" && a.kind === "unknown") memory.take(b.n, a.asked);
}

/** ADD to CMP, whose operands the caller has read. */
function arithmetic(machine: Machine, group: number, a: Value, b: Value, size: number) {
  const { state } = machine;
  if (group === 7) {
    state.flags = compareFlags(a, b, size);
    return undefined;
  }
  const operation = OPERATIONS[group];
  if (operation === undefined) {
    // ADC and SBB; SBB of a register with itself spreads the carry.
    const asked = a.asked || b.asked || state.flags.asked;
    const spread = group === 3 && a === b && state.flags.carry !== undefined;
    const result = spread ? number(state.flags.carry === true ? -1 : 0, asked) : unknown(asked);
    state.flags = unknownFlags(asked);
    return result;
  }
  const cleared = !short.memory && short.opcode < 0x40 && short.reg === short.rm;
  const result =
    cleared && (group === 6 || group === 5) ? number(0) : operate(operation, a, b, size);
  if (group === 0) noteSum(machine, a, b);
  if (group === 5) state.flags = compareFlags(a, b, size);
  else state.flags = group === 0 ? resultFlags(result, size) : logicFlags(result, size);
  return result;
}

export function arithmeticForm(machine: Machine): void {
  const { opcode, immediate } = short;
  const { state } = machine;
  const group = opcode < 0x40 ? opcode >> 3 : (short.modrm >> 3) & 7;
  const size = operandSize((opcode & 1) === 1 || opcode === 0x83);
  if (opcode >= 0x80) {
    const result = arithmetic(machine, group, readOperand(machine, size), number(immediate), size);
    if (result !== undefined) writeOperand(machine, result, size);
    return;
  }
  const form = opcode & 7;
  if (form >= 4) {
    const result = arithmetic(
      machine,
      group,
      readRegister(state, RAX, size),
      number(immediate),
      size,
    );
    if (result !== undefined) writeRegister(state, RAX, result, size);
    return;
  }
  const [rm, reg] = [readOperand(machine, size), readRegister(state, short.reg, size)];
  const toMemory = form < 2;
  const [a, b] = toMemory ? [rm, reg] : [reg, rm];
  const result = arithmetic(machine, group, a, b, size);
  if (result === undefined) return;
  if (toMemory) writeOperand(machine, result, size);
  else writeRegister(state, short.reg, result, size);
}

export function shiftForm(machine: Machine): void {
  const { opcode } = short;
  const size = operandSize((opcode & 1) === 1);
  const by =
    opcode < 0xc2
      ? number(short.immediate & 0xff)
      : opcode < 0xd2
        ? number(1)
        : readRegister(machine.state, RCX, 1);
  const operation = SHIFTS[(short.modrm >> 3) & 7];
  const value = readOperand(machine, size);
  const asked = value.asked || by.asked;
  // SAR needs the sign that a shorter number has lost.
  const signed = operation === "sar" ? extendSign(value, size) : value;
  const zero = value.kind === "number" && value.n === 0;
  const result =
    operation === undefined
      ? zero
        ? number(0, asked)
        : unknown(asked)
      : zero
        ? number(0, asked)
        : operate(operation, signed, by, size);
  machine.state.flags = operation === undefined ? unknownFlags(asked) : resultFlags(result, size);
  writeOperand(machine, result, size);
}

export function unaryForm(machine: Machine): void {
  const { opcode, modrm, immediate } = short;
  const { state } = machine;
  const size = operandSize(opcode === 0xf7);
  const value = readOperand(machine, size);
  const group = (modrm >> 3) & 7;
  if (group < 2) state.flags = logicFlags(operate("and", value, number(immediate), size), size);
  else if (group === 2) writeOperand(machine, operate("xor", value, number(-1), size), size);
  else if (group === 3) {
    state.flags = compareFlags(number(0), value, size);
    writeOperand(machine, operate("sub", number(0), value, size), size);
  } else {
    const asked = value.asked || state.registers[RAX]?.asked === true;
    state.registers[RAX] = unknown(asked);
    state.registers[RDX] = unknown(asked);
    state.flags = unknownFlags(asked);
  }
}

export function incrementForm(machine: Machine): void {
  const { opcode, modrm } = short;
  const group = (modrm >> 3) & 7;
  const size = operandSize(opcode === 0xff);
  if (group === 6) {
    push(machine, readOperand(machine, 8));
    return;
  }
  if (group > 1) return;
  const value = readOperand(machine, size);
  const result = operate(group === 0 ? "add" : "sub", value, number(1), size);
  machine.state.flags = { ...resultFlags(result, size), carry: machine.state.flags.carry };
  writeOperand(machine, result, size);
}
