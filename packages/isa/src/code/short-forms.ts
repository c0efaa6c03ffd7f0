/**
 * Which opcodes the short decoder knows, and what follows each of them.
 * Source: Intel SDM volume 2, appendix A, tables A-2 and A-3 (64-bit mode).
 */

/** What follows the opcode. `rare`: the short decoder leaves the instruction to iced. */
export const Form = {
  rare: 0,
  none: 1,
  modrm: 2,
  modrmImm8: 3,
  /** An immediate of the operand's size, of four bytes at most. */
  modrmImm: 4,
  imm8: 5,
  imm: 6,
  /** MOV to a register: eight bytes under REX.W. */
  immWide: 7,
  rel8: 8,
  rel32: 9,
  imm16: 10,
  /** TEST, NOT, NEG …: only TEST has an immediate. */
  group8: 11,
  group: 12,
} as const;

/** Prefixes that choose among instructions of one opcode; bits of {@link PREFIXES}. */
export const Prefix = { none: 0, size: 1, rep: 2, repne: 3 } as const;

/** Opcodes of the second map are counted from here. */
export const SECOND_MAP = 0x100;

const FORMS = new Uint8Array(512);
/** By opcode, a bit for each of {@link Prefix} under which it is one that every CPU has. */
const PREFIXES = new Uint8Array(512);
/** Of modrm: 1, memory only; 2, register only; 4, memory only under the operand size prefix. */
const OPERANDS = new Uint8Array(512);

const [PLAIN, SIZE, REP, REPNE] = [1, 2, 4, 8];
const INTEGER = PLAIN | SIZE;
const SCALAR = PLAIN | SIZE | REP | REPNE;

function* between(first: number, last: number): Generator<number> {
  for (let opcode = first; opcode <= last; opcode++) yield opcode;
}

function define(opcodes: Iterable<number>, form: number, prefixes: number, operands = 0): void {
  for (const opcode of opcodes) {
    FORMS[opcode] = form;
    PREFIXES[opcode] = prefixes;
    OPERANDS[opcode] = operands;
  }
}

for (const row of [0x00, 0x08, 0x10, 0x18, 0x20, 0x28, 0x30, 0x38]) {
  define(between(row, row + 3), Form.modrm, INTEGER);
  define([row + 4], Form.imm8, INTEGER);
  define([row + 5], Form.imm, INTEGER);
}
define(between(0x50, 0x5f), Form.none, INTEGER);
define([0x63], Form.modrm, INTEGER);
define([0x68], Form.imm, INTEGER);
define([0x69, 0x81], Form.modrmImm, INTEGER);
define([0x6a], Form.imm8, INTEGER);
define([0x6b, 0x80, 0x83, 0xc0, 0xc1, 0xc6], Form.modrmImm8, INTEGER);
define([0xc7], Form.modrmImm, INTEGER);
define(between(0x70, 0x7f), Form.rel8, PLAIN);
define(between(0x84, 0x8b), Form.modrm, INTEGER);
define([0x8d], Form.modrm, INTEGER, 1);
define([0x90], Form.none, INTEGER);
define(between(0x91, 0x99), Form.none, INTEGER);
define([0xa4, 0xa5, 0xa6, 0xa7, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf], Form.none, SCALAR);
define([0xa8], Form.imm8, INTEGER);
define([0xa9], Form.imm, INTEGER);
define(between(0xb0, 0xb7), Form.imm8, INTEGER);
define(between(0xb8, 0xbf), Form.immWide, INTEGER);
define([0xc2], Form.imm16, PLAIN);
define([0xc3], Form.none, PLAIN | REP);
define([0xc9], Form.none, PLAIN);
define(between(0xd0, 0xd3), Form.modrm, INTEGER);
define([0xe8, 0xe9], Form.rel32, PLAIN);
define([0xeb], Form.rel8, PLAIN);
define([0xf6], Form.group8, INTEGER);
define([0xf7], Form.group, INTEGER);
define([0xf8, 0xf9, 0xfc, 0xfd], Form.none, PLAIN);
define([0xfe, 0xff], Form.modrm, INTEGER);

function second(opcodes: Iterable<number>): number[] {
  return [...opcodes].map((opcode) => SECOND_MAP + opcode);
}

define(second([0x05, 0x77]), Form.none, PLAIN);
define(second([0x10, 0x11]), Form.modrm, SCALAR);
define(second([0x12, 0x16]), Form.modrm, INTEGER, 4);
define(second([0x13, 0x17, 0x2b, 0xe7]), Form.modrm, INTEGER, 1);
define(second([0x14, 0x15]), Form.modrm, INTEGER);
// ENDBR64, and the NOPs that assemblers align with.
define(second([0x1e]), Form.modrm, REP, 2);
define(second([0x1f]), Form.modrm, INTEGER);
define(second([0x28, 0x29, 0x2e, 0x2f]), Form.modrm, INTEGER);
define(second([0x2a, 0x2c, 0x2d]), Form.modrm, SCALAR);
define(second(between(0x40, 0x4f)), Form.modrm, INTEGER);
define(second([0x50, 0xd7, 0xf7]), Form.modrm, INTEGER, 2);
define(second([0x51, 0x58, 0x59, 0x5a, 0x5c, 0x5d, 0x5e, 0x5f]), Form.modrm, SCALAR);
define(second([0x52, 0x53]), Form.modrm, PLAIN | REP);
define(second([0x54, 0x55, 0x56, 0x57]), Form.modrm, INTEGER);
define(second([0x5b, 0x6f, 0x7e, 0x7f]), Form.modrm, INTEGER | REP);
define(second(between(0x60, 0x6b)), Form.modrm, INTEGER);
define(second([0x6c, 0x6d, 0xd6]), Form.modrm, SIZE);
define(second([0x6e, 0x74, 0x75, 0x76]), Form.modrm, INTEGER);
define(second([0x70, 0xc2]), Form.modrmImm8, SCALAR);
define(second(between(0x80, 0x8f)), Form.rel32, PLAIN);
define(second(between(0x90, 0x9f)), Form.modrm, INTEGER);
define(second([0xa3, 0xa5, 0xab, 0xad, 0xaf, 0xb0, 0xb1, 0xb3, 0xb6, 0xb7]), Form.modrm, INTEGER);
define(second([0xa4, 0xac, 0xba]), Form.modrmImm8, INTEGER);
define(second([0xbb, 0xbc, 0xbd, 0xbe, 0xbf, 0xc0, 0xc1]), Form.modrm, INTEGER);
define(second([0xc3]), Form.modrm, PLAIN, 1);
define(second([0xc6]), Form.modrmImm8, INTEGER);
define(second([0xc4]), Form.modrmImm8, INTEGER);
define(second([0xc5]), Form.modrmImm8, INTEGER, 2);
define(second(between(0xc8, 0xcf)), Form.none, PLAIN);
define(second(between(0xd1, 0xd5)), Form.modrm, INTEGER);
define(second(between(0xd8, 0xe5)), Form.modrm, INTEGER);
define(second([0xe6]), Form.modrm, SIZE | REP | REPNE);
define(second(between(0xe8, 0xef)), Form.modrm, INTEGER);
define(second(between(0xf1, 0xf6)), Form.modrm, INTEGER);
define(second(between(0xf8, 0xfe)), Form.modrm, INTEGER);

/** What follows an opcode under a prefix; `rare` where the pair is not one that every CPU has. */
export const SHORT_FORMS = new Uint8Array(2048);
for (let opcode = 0; opcode < 512; opcode++) {
  for (let prefix = 0; prefix < 4; prefix++) {
    const known = ((PREFIXES[opcode] ?? 0) >> prefix) & 1;
    SHORT_FORMS[opcode * 4 + prefix] = known === 1 ? (FORMS[opcode] ?? 0) : Form.rare;
  }
}

const MEMORY_ONLY = 1;
const REGISTER_ONLY = 2;
const MEMORY_ONLY_WITH_SIZE = 4;

/** Whether the operands' kinds are those of an instruction that every CPU has. */
export function operandsFit(opcode: number, prefix: number, modrm: number): boolean {
  const kinds = OPERANDS[opcode] ?? 0;
  const reg = (modrm >> 3) & 7;
  const register = modrm >= 0xc0;
  switch (opcode) {
    // POP has a group to itself; XABORT and XBEGIN share one with MOV.
    case 0x8f:
      return false;
    case 0xc6:
    case 0xc7:
      return reg === 0;
    case 0xfe:
      return reg < 2;
    case 0xff:
      return reg === 0 || reg === 1 || reg === 2 || reg === 4 || reg === 6;
    case SECOND_MAP + 0x1e:
      return modrm === 0xfa;
    case SECOND_MAP + 0xba:
      return reg >= 4;
    default:
  }
  if (kinds === MEMORY_ONLY) return !register;
  if (kinds === REGISTER_ONLY) return register;
  return kinds !== MEMORY_ONLY_WITH_SIZE || !register || prefix !== Prefix.size;
}
