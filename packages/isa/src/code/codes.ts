/**
 * What one of iced's codes (an instruction with the kinds of its operands) means to a scan:
 * computed once per code, since features and control flow depend on nothing else.
 */
import { Code, FlowControl, Mnemonic, type Instruction } from "iced-x86";
import { needsOf } from "./needs.ts";

/** What comes after an instruction. Displacements of near branches are its last bytes. */
export const Flow = {
  /** Nothing is known about the code yet. */
  unseen: 0,
  next: 1,
  /** Conditional branch with a displacement of 8 or 32 bits. */
  branch8: 2,
  branch32: 3,
  jump8: 4,
  jump32: 5,
  call32: 6,
  /** RET, UD2 …: the path ends. */
  end: 7,
  invalid: 8,
  /** Only a kernel or nobody executes it: in a program it is a sign of data. */
  odd: 9,
  cpuid: 10,
  /** A call to an address that is computed. */
  call: 11,
  nop: 12,
  /** A jump to an address that is computed. */
  jump: 13,
  /** HLT ends a path: programs put it where they never come. Kernels wait there and go on. */
  halt: 14,
} as const;

export type Flow = (typeof Flow)[keyof typeof Flow];

function branchOf(instruction: Instruction): Flow {
  const { isJccNear, isJccShort, isJcxShort, isLoop, isLoopcc } = instruction;
  if (isJccNear) return Flow.branch32;
  return isJccShort || isJcxShort || isLoop || isLoopcc ? Flow.branch8 : Flow.odd;
}

function flowOf(instruction: Instruction): Flow {
  const { flowControl, mnemonic } = instruction;
  if (mnemonic === Mnemonic.Cpuid) return Flow.cpuid;
  if (mnemonic === Mnemonic.Nop) return Flow.nop;
  if (mnemonic === Mnemonic.Hlt) return Flow.halt;
  switch (flowControl) {
    case FlowControl.ConditionalBranch:
      return branchOf(instruction);
    case FlowControl.UnconditionalBranch:
      if (instruction.isJmpShort) return Flow.jump8;
      return instruction.isJmpNear ? Flow.jump32 : Flow.odd;
    case FlowControl.Call:
      return instruction.isCallNear
        ? Flow.call32
        : mnemonic === Mnemonic.Syscall
          ? Flow.next
          : Flow.odd;
    case FlowControl.IndirectCall:
      return Flow.call;
    case FlowControl.IndirectBranch:
      return Flow.jump;
    case FlowControl.Return:
    case FlowControl.Exception:
      return Flow.end;
    case FlowControl.Interrupt:
      return mnemonic === Mnemonic.Int3 ? Flow.end : Flow.odd;
    case FlowControl.XbeginXabortXend:
      return mnemonic === Mnemonic.Xbegin ? Flow.branch32 : Flow.next;
    case FlowControl.Next:
      break;
  }
  return instruction.isPrivileged ? Flow.odd : Flow.next;
}

/** Codes are small numbers; iced 1.21 has about 4,900 of them. */
const CODES = 8192;

export interface CodeTable {
  readonly flows: Uint8Array;
  /** Index into `sets`; 0: needs nothing beyond every x86-64 CPU. */
  readonly needs: Uint16Array;
  readonly sets: (readonly string[])[];
}

export function codeTable(): CodeTable {
  const table = {
    flows: new Uint8Array(CODES),
    needs: new Uint16Array(CODES),
    sets: [[]] as (readonly string[])[],
  };
  table.flows[Code.INVALID] = Flow.invalid;
  return table;
}

/** Fills a code's row from an instruction that has it. */
export function learn(table: CodeTable, code: Code, instruction: Instruction): Flow {
  const flow = flowOf(instruction);
  table.flows[code] = flow;
  const needs = needsOf(code);
  if (needs.length > 0) {
    table.sets.push(needs);
    table.needs[code] = table.sets.length - 1;
  }
  return flow;
}
