/** Instructions of the first map, as far as the question "who asked?" needs them. */
import { arithmeticForm, incrementForm, noteSum, shiftForm, unaryForm } from "./arithmetic.ts";
import { logicFlags, unknownFlags } from "./flags.ts";
import {
  operandSize,
  readOperand,
  readRegister,
  writeOperand,
  writeRegister,
  type Machine,
} from "./operands.ts";
import { NO_REGISTER, RIP, short } from "../code/short.ts";
import { pop, push } from "./stack.ts";
import { RAX, RBP, RCX, RDI, RDX, RSI, RSP, type State } from "./state.ts";
import { extendSign, number, operate, unknown, UNKNOWN, type Value } from "./values.ts";

function loadAddress(machine: Machine): void {
  const { state } = machine;
  const { base, index, scale, displacement } = short;
  if (base === RIP) {
    const address = machine.next + displacement;
    machine.memory.name(address);
    writeRegister(state, short.reg, number(address), 8);
    return;
  }
  const start = base === NO_REGISTER ? number(0) : (state.registers[base] ?? UNKNOWN);
  const step = index === NO_REGISTER ? number(0) : (state.registers[index] ?? UNKNOWN);
  const scaled = step.kind === "number" ? number(step.n * scale, step.asked) : unknown(step.asked);
  const moved = operate("add", start, number(displacement), 8);
  noteSum(machine, moved, scaled);
  writeRegister(state, short.reg, operate("add", moved, scaled, 8), operandSize(true));
}

/** Instructions of the first map; those that do nothing here are left out. */
export function firstMap(machine: Machine): void {
  const { opcode, immediate, rex } = short;
  const { state } = machine;
  if (opcode < 0x40 || opcode === 0x80 || opcode === 0x81 || opcode === 0x83) {
    arithmeticForm(machine);
    return;
  }
  const low = (opcode & 7) | ((rex & 1) << 3);
  if (opcode < 0x58) push(machine, state.registers[low] ?? UNKNOWN);
  else if (opcode < 0x60) writeRegister(state, low, pop(machine), 8);
  else if (opcode >= 0x91 && opcode <= 0x97) {
    const [a, b] = [state.registers[RAX] ?? UNKNOWN, state.registers[low] ?? UNKNOWN];
    writeRegister(state, RAX, b, operandSize(true));
    writeRegister(state, low, a, operandSize(true));
  } else if (opcode >= 0xb0 && opcode <= 0xb7) writeRegister(state, low, number(immediate), 1);
  else if (opcode >= 0xb8 && opcode <= 0xbf) {
    machine.memory.name(immediate);
    writeRegister(state, low, number(immediate), operandSize(true));
  } else if (opcode >= 0xc0 && opcode <= 0xd3 && (opcode < 0xc2 || opcode >= 0xd0)) {
    shiftForm(machine);
  } else otherForms(machine);
}

function otherForms(machine: Machine): void {
  const { opcode, immediate } = short;
  const { state } = machine;
  const size = operandSize((opcode & 1) === 1);
  if (opcode >= 0x84 && opcode <= 0x8b) return moveForms(machine, size);
  switch (opcode) {
    case 0x63:
      writeRegister(state, short.reg, extendSign(readOperand(machine, 4), 4), operandSize(true));
      return;
    case 0x69:
    case 0x6b:
      writeRegister(state, short.reg, unknown(readOperand(machine, size).asked), 8);
      return;
    case 0x8d:
      loadAddress(machine);
      return;
    case 0x98:
    case 0x99:
      widen(state);
      return;
    case 0xa8:
    case 0xa9:
      test(state, readRegister(state, RAX, size), number(immediate), size);
      return;
    case 0xc6:
    case 0xc7:
      writeOperand(machine, number(immediate), size);
      return;
    case 0xc9:
      leave(state, machine);
      return;
    default:
      groupForms(machine);
  }
}

/** TEST, XCHG and MOV of a register and an operand: 84H to 8BH, bytes first. */
function moveForms(machine: Machine, size: number): void {
  const { state } = machine;
  const register = readRegister(state, short.reg, size);
  switch (short.opcode & ~1) {
    case 0x84:
      test(state, readOperand(machine, size), register, size);
      return;
    case 0x86: {
      const old = readOperand(machine, size);
      writeOperand(machine, register, size);
      writeRegister(state, short.reg, old, size);
      return;
    }
    case 0x88:
      writeOperand(machine, register, size);
      return;
    default:
      writeRegister(state, short.reg, readOperand(machine, size), size);
  }
}

function test(state: State, a: Value, b: Value, size: number): void {
  state.flags = logicFlags(operate("and", a, b, size), size);
}

/** LEAVE. */
function leave(state: State, machine: Machine): void {
  state.registers[RSP] = state.registers[RBP] ?? UNKNOWN;
  writeRegister(state, RBP, pop(machine), 8);
}

function groupForms(machine: Machine): void {
  const { opcode } = short;
  if (opcode === 0x68 || opcode === 0x6a) push(machine, number(short.immediate));
  else if (opcode === 0xf6 || opcode === 0xf7) unaryForm(machine);
  else if (opcode === 0xfe || opcode === 0xff) incrementForm(machine);
  else if (opcode >= 0xa4 && opcode <= 0xaf) stringForm(machine.state);
}

/** CDQE and CQO, with their shorter forms. */
function widen(state: State): void {
  if (short.opcode === 0x99) {
    state.registers[RDX] = unknown(state.registers[RAX]?.asked === true);
    return;
  }
  const size = operandSize(true);
  const half = readRegister(state, RAX, size / 2);
  writeRegister(state, RAX, extendSign(half, size / 2), size);
}

function stringForm(state: State): void {
  for (const register of [RCX, RSI, RDI]) state.registers[register] = UNKNOWN;
  if (short.opcode === 0xac || short.opcode === 0xad) state.registers[RAX] = UNKNOWN;
  state.flags = unknownFlags(false);
}
