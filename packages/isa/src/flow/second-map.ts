/** Instructions of the second map (behind 0F), as far as the question "who asked?" needs them. */
import { bitFlags, holds, unknownFlags } from "./flags.ts";
import {
  operandSize,
  readOperand,
  readRegister,
  writeOperand,
  writeRegister,
  type Machine,
} from "./operands.ts";
import { SECOND_MAP } from "../code/short-forms.ts";
import { short } from "../code/short.ts";
import { RAX, RCX } from "./state.ts";
import { extendSign, number, unknown, UNKNOWN, type Value } from "./values.ts";

/** Of the second map, those that leave something in a general register. */
const LEAVES_REG = new Set([0x2c, 0x2d, 0x50, 0xd7, 0xc5, 0xaf]);

export function secondMap(machine: Machine): void {
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
