/** Executes single instructions on {@link State}s, as far as the question "who asked?" needs it. */
import { Instruction, Mnemonic, OpKind, Register, RegisterExt, type Decoder } from "iced-x86";
import { bitFlags, compareFlags, holds, logicFlags, resultFlags, unknownFlags } from "./flags.ts";
import { SECOND_MAP } from "./short-forms.ts";
import { NO_REGISTER, RIP, short } from "./short.ts";
import { RAX, RBP, RBX, RCX, RDI, RDX, RSI, RSP, setSlot, type State } from "./state.ts";
import {
  extendSign,
  NO,
  number,
  operate,
  unknown,
  UNKNOWN,
  type Operation,
  type Value,
} from "./values.ts";

import {
  operandSize,
  readOperand,
  readRegister,
  writeOperand,
  writeRegister,
  type Machine,
} from "./operands.ts";

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

function push(machine: Machine, value: Value): void {
  const { registers } = machine.state;
  const top = registers[RSP] ?? UNKNOWN;
  registers[RSP] = operate("sub", top, number(8), 8);
  if (top.kind === "stack") setSlot(machine.state, top.n - 8, value);
}

function pop(machine: Machine): Value {
  const { registers, stack } = machine.state;
  const top = registers[RSP] ?? UNKNOWN;
  registers[RSP] = operate("add", top, number(8), 8);
  return top.kind === "stack" ? (stack.get(top.n) ?? UNKNOWN) : UNKNOWN;
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

function arithmeticForm(machine: Machine): void {
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

function shiftForm(machine: Machine): void {
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

function unaryForm(machine: Machine): void {
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

function incrementForm(machine: Machine): void {
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

/** A table's start and a place in it that is not known. */
function noteSum({ memory }: Machine, a: Value, b: Value): void {
  if (a.kind === "number" && b.kind === "unknown") memory.take(a.n, b.asked);
  if (b.kind === "number" && a.kind === "unknown") memory.take(b.n, a.asked);
}

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
function firstMap(machine: Machine): void {
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
  switch (opcode) {
    case 0x63:
      writeRegister(state, short.reg, extendSign(readOperand(machine, 4), 4), operandSize(true));
      return;
    case 0x68:
    case 0x6a:
      push(machine, number(immediate));
      return;
    case 0x69:
    case 0x6b:
      writeRegister(state, short.reg, unknown(readOperand(machine, size).asked), 8);
      return;
    case 0x84:
    case 0x85: {
      const tested = operate(
        "and",
        readOperand(machine, size),
        readRegister(state, short.reg, size),
        size,
      );
      state.flags = logicFlags(tested, size);
      return;
    }
    case 0x86:
    case 0x87: {
      const old = readOperand(machine, size);
      writeOperand(machine, readRegister(state, short.reg, size), size);
      writeRegister(state, short.reg, old, size);
      return;
    }
    case 0x88:
    case 0x89:
      writeOperand(machine, readRegister(state, short.reg, size), size);
      return;
    case 0x8a:
    case 0x8b:
      writeRegister(state, short.reg, readOperand(machine, size), size);
      return;
    case 0x8d:
      loadAddress(machine);
      return;
    case 0x98:
      writeRegister(
        state,
        RAX,
        extendSign(readRegister(state, RAX, operandSize(true) / 2), operandSize(true) / 2),
        operandSize(true),
      );
      return;
    case 0x99:
      state.registers[RDX] = unknown(state.registers[RAX]?.asked === true);
      return;
    case 0xa8:
    case 0xa9: {
      const tested = operate("and", readRegister(state, RAX, size), number(immediate), size);
      state.flags = logicFlags(tested, size);
      return;
    }
    case 0xc6:
    case 0xc7:
      writeOperand(machine, number(immediate), size);
      return;
    case 0xc9:
      state.registers[RSP] = state.registers[RBP] ?? UNKNOWN;
      writeRegister(state, RBP, pop(machine), 8);
      return;
    case 0xf6:
    case 0xf7:
      unaryForm(machine);
      return;
    case 0xfe:
    case 0xff:
      incrementForm(machine);
      return;
    default:
      if (opcode >= 0xa4 && opcode <= 0xaf) stringForm(state);
  }
}

function stringForm(state: State): void {
  for (const register of [RCX, RSI, RDI]) state.registers[register] = UNKNOWN;
  if (short.opcode === 0xac || short.opcode === 0xad) state.registers[RAX] = UNKNOWN;
  state.flags = unknownFlags(false);
}

/** Of the second map, those that leave something in a general register. */
const LEAVES_REG = new Set([0x2c, 0x2d, 0x50, 0xd7, 0xc5, 0xaf]);

function secondMap(machine: Machine): void {
  const opcode = short.opcode - SECOND_MAP;
  const { state } = machine;
  const size = operandSize(true);
  if (opcode >= 0x40 && opcode <= 0x4f) {
    const [old, moved] = [readRegister(state, short.reg, size), readOperand(machine, size)];
    const taken = holds(opcode & 15, state.flags);
    const { asked } = state.flags;
    const either = taken === undefined ? unknownOf(old, moved, asked) : taken ? moved : old;
    writeRegister(state, short.reg, asked ? withAsked(either, old, moved) : either, size);
  } else if (opcode >= 0x90 && opcode <= 0x9f) {
    const set = holds(opcode & 15, state.flags);
    const { asked } = state.flags;
    writeOperand(machine, set === undefined ? unknown(asked) : number(set ? 1 : 0, asked), 1);
  } else if (opcode === 0xb6 || opcode === 0xb7) {
    writeRegister(state, short.reg, readOperand(machine, opcode === 0xb6 ? 1 : 2), size);
  } else if (opcode === 0xbe || opcode === 0xbf) {
    const from = opcode === 0xbe ? 1 : 2;
    writeRegister(state, short.reg, extendSign(readOperand(machine, from), from), size);
  } else if (opcode === 0xa3 || opcode === 0xba) {
    const bit = opcode === 0xba ? number(short.immediate) : readRegister(state, short.reg, size);
    const value = readOperand(machine, size);
    state.flags = bitFlags(value, bit);
    if (opcode === 0xba && ((short.modrm >> 3) & 7) > 4) {
      writeOperand(machine, unknown(value.asked), size);
    }
  } else if (opcode === 0xbc || opcode === 0xbd || LEAVES_REG.has(opcode)) {
    writeRegister(
      state,
      short.reg,
      unknown(readsInteger(opcode) && readOperand(machine, size).asked),
      8,
    );
    state.flags = unknownFlags(state.registers[short.reg]?.asked === true);
  } else if (opcode >= 0xc8 && opcode <= 0xcf) {
    const register = (opcode & 7) | ((short.rex & 1) << 3);
    state.registers[register] = unknown(state.registers[register]?.asked === true);
  } else if (WRITES_RM.has(opcode) || (opcode === 0x7e && short.prefix < 2)) {
    writeOperand(machine, UNKNOWN, size);
    if (EXCHANGES.has(opcode)) writeRegister(state, short.reg, UNKNOWN, size);
    if (opcode === 0xb0 || opcode === 0xb1) state.registers[RAX] = UNKNOWN;
    state.flags = unknownFlags(false);
  } else if (opcode === 0x05) {
    state.registers[RAX] = UNKNOWN;
    state.registers[RCX] = UNKNOWN;
  } else if (opcode === 0x2e || opcode === 0x2f) state.flags = unknownFlags(false);
}

const WRITES_RM = new Set([0xa4, 0xa5, 0xab, 0xac, 0xad, 0xb0, 0xb1, 0xb3, 0xbb, 0xc0, 0xc1]);
const EXCHANGES = new Set([0xc0, 0xc1]);

function readsInteger(opcode: number): boolean {
  return opcode === 0xbc || opcode === 0xbd || opcode === 0xaf;
}

function unknownOf(a: Value, b: Value, asked: boolean): Value {
  if (a.kind === b.kind && a.n === b.n) return a;
  return unknown(asked || a.asked || b.asked);
}

function withAsked(value: Value, a: Value, b: Value): Value {
  if (a.kind === b.kind && a.n === b.n && a.kind !== "unknown") return value;
  return value.kind === "unknown" ? unknown(true) : { ...value, asked: true };
}

/** Executes the last instruction of `decodeShort`; calls and jumps are the caller's. */
export function executeShort(machine: Machine): void {
  if (short.opcode < SECOND_MAP) firstMap(machine);
  else secondMap(machine);
}

const instruction = new Instruction();

/** Executes an instruction that is left to iced: what it may change is unknown afterwards. */
export function executeIced(machine: Machine, decoder: Decoder, at: number): void {
  const { registers } = machine.state;
  decoder.position = at;
  decoder.decodeOut(instruction);
  const { mnemonic } = instruction;
  if (mnemonic === Mnemonic.Cpuid) {
    for (const register of [RAX, RBX, RCX, RDX]) registers[register] = NO;
    return;
  }
  if (mnemonic === Mnemonic.Xgetbv) {
    registers[RAX] = NO;
    registers[RDX] = NO;
    return;
  }
  if (instruction.opCount > 0 && instruction.op0Kind === OpKind.Register) {
    clobber(machine.state, instruction.op0Register);
  }
  if (
    instruction.opCount > 1 &&
    instruction.op1Kind === OpKind.Register &&
    mnemonic === Mnemonic.Xadd
  ) {
    clobber(machine.state, instruction.op1Register);
  }
  if (mnemonic === Mnemonic.Cmpxchg || mnemonic === Mnemonic.Rdtsc) registers[RAX] = UNKNOWN;
  if (mnemonic === Mnemonic.Rdtsc) registers[RDX] = UNKNOWN;
  machine.state.flags = unknownFlags(false);
}

function clobber({ registers }: State, register: Register): void {
  if (!RegisterExt.isGPR(register)) return;
  registers[RegisterExt.number(register)] = UNKNOWN;
}

/** Where an indirect call or jump leads, if that is known. */
export function computedTarget(machine: Machine): Value {
  return readOperand(machine, 8);
}

/** The registers that a call may change (System V psABI, "Registers"). */
const CHANGED = [RAX, RCX, RDX, RSI, RDI, 8, 9, 10, 11];

/** After a call: what it returns, and nothing known of what it may have changed. */
export function afterCall(state: State, result: Value): void {
  for (const register of CHANGED) state.registers[register] = UNKNOWN;
  state.registers[RAX] = result;
  state.flags = unknownFlags(false);
}
