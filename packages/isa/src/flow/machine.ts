/** Executes single instructions on {@link State}s, as far as the question "who asked?" needs it. */
import { Mnemonic, OpKind, RegisterExt, type Instruction, type Register } from "iced-x86";
import type { IcedReader } from "../code/iced-reader.ts";
import { SECOND_MAP } from "../code/short-forms.ts";
import { short } from "../code/short.ts";
import { firstMap } from "./first-map.ts";
import { unknownFlags } from "./flags.ts";
import { readOperand, type Machine } from "./operands.ts";
import { secondMap } from "./second-map.ts";
import { RAX, RBX, RCX, RDI, RDX, RSI, type State } from "./state.ts";
import { NO, UNKNOWN, type Value } from "./values.ts";

/** Executes the last instruction of `decodeShort`; calls and jumps are the caller's. */
export function executeShort(machine: Machine): void {
  if (short.opcode < SECOND_MAP) firstMap(machine);
  else secondMap(machine);
}

/**
 * Executes an instruction that is left to iced, and returns it: what it may change is unknown
 * afterwards.
 */
export function executeIced(machine: Machine, iced: IcedReader, at: number): Instruction {
  iced.decode(at);
  const { instruction } = iced;
  executeRare(machine, instruction);
  return instruction;
}

function executeRare(machine: Machine, instruction: Instruction): void {
  const { registers } = machine.state;
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
