/**
 * A decoder for what most code is made of: instructions that every x86-64 CPU has, with their
 * operands as numbers. All others it leaves to iced, which is right about every one of them and
 * takes ten times as long. A test holds the two equal.
 */
import { Form, operandsFit, Prefix, SECOND_MAP, SHORT_FORMS } from "./short-forms.ts";

/** Numbers of base and index beside those of the sixteen registers. */
export const NO_REGISTER = -1;
export const RIP = 16;

export interface ShortInstruction {
  length: number;
  /** {@link SECOND_MAP} is added for those behind 0F. */
  opcode: number;
  prefix: number;
  /** The REX prefix, or 0. */
  rex: number;
  /** -1 where there is none. */
  modrm: number;
  /** The modrm's `reg` with REX.R, and `rm` with REX.B where it is a register. */
  reg: number;
  rm: number;
  /** Whether `rm` is in memory: then base, index, scale and displacement say where. */
  memory: boolean;
  base: number;
  index: number;
  scale: number;
  displacement: number;
  /** A thread's own memory: FS or GS. */
  segment: boolean;
  /** Signed; where MOV has eight bytes, as exact as a double is. */
  immediate: number;
  /** Of a near branch: the offset in the bytes that it leads to. */
  target: number;
}

/** The instruction decoded last: one object for all, since there are millions. */
export const short: ShortInstruction = {
  length: 0,
  opcode: 0,
  prefix: 0,
  rex: 0,
  modrm: -1,
  reg: 0,
  rm: 0,
  memory: false,
  base: NO_REGISTER,
  index: NO_REGISTER,
  scale: 1,
  displacement: 0,
  segment: false,
  immediate: 0,
  target: 0,
};

const LONGEST = 15;

/** The offset behind the operand that a modrm byte at `at` describes. */
function readOperand(bytes: Buffer, start: number, rex: number): number {
  let at = start;
  const modrm = bytes[at++] ?? 0;
  const mod = modrm >> 6;
  short.modrm = modrm;
  short.reg = ((modrm >> 3) & 7) | ((rex & 4) << 1);
  short.rm = (modrm & 7) | ((rex & 1) << 3);
  short.memory = mod !== 3;
  if (mod === 3) return at;
  short.base = short.rm;
  let wide = mod === 2;
  if ((modrm & 7) === 4) {
    const sib = bytes[at++] ?? 0;
    const index = ((sib >> 3) & 7) | ((rex & 2) << 2);
    short.index = index === 4 ? NO_REGISTER : index;
    short.scale = 1 << (sib >> 6);
    short.base = (sib & 7) | ((rex & 1) << 3);
    if ((sib & 7) === 5 && mod === 0) {
      short.base = NO_REGISTER;
      wide = true;
    }
  } else if ((modrm & 7) === 5 && mod === 0) {
    short.base = RIP;
    wide = true;
  }
  if (mod === 1) {
    short.displacement = ((bytes[at] ?? 0) << 24) >> 24;
    return at + 1;
  }
  if (!wide) return at;
  short.displacement = int32(bytes, at);
  return at + 4;
}

function int32(bytes: Buffer, at: number): number {
  return (
    (bytes[at] ?? 0) |
    ((bytes[at + 1] ?? 0) << 8) |
    ((bytes[at + 2] ?? 0) << 16) |
    ((bytes[at + 3] ?? 0) << 24)
  );
}

function readImmediate(bytes: Buffer, at: number, size: number): number {
  if (size === 1) short.immediate = ((bytes[at] ?? 0) << 24) >> 24;
  else if (size === 4) short.immediate = int32(bytes, at);
  else if (size === 2) short.immediate = (int32(bytes, at) << 16) >> 16;
  else if (at + 8 <= bytes.length) short.immediate = Number(bytes.readBigInt64LE(at));
  return at + size;
}

/** Where the instruction ends, by what follows its opcode; 0 where iced must say. */
function readRest(bytes: Buffer, start: number, form: number): number {
  const { opcode, prefix, rex } = short;
  const size = prefix === Prefix.size ? 2 : 4;
  let at = start;
  if (form >= Form.modrm && form <= Form.modrmImm) {
    at = readOperand(bytes, at, rex);
    if (!operandsFit(opcode, prefix, short.modrm)) return 0;
    if (form === Form.modrm) return at;
    return readImmediate(bytes, at, form === Form.modrmImm8 ? 1 : (rex & 8) !== 0 ? 4 : size);
  }
  switch (form) {
    case Form.none:
      return at;
    case Form.imm8:
      return readImmediate(bytes, at, 1);
    case Form.imm:
      return readImmediate(bytes, at, (rex & 8) !== 0 ? 4 : size);
    case Form.immWide:
      return readImmediate(bytes, at, (rex & 8) !== 0 ? 8 : size);
    case Form.imm16:
      return readImmediate(bytes, at, 2);
    case Form.rel8:
    case Form.rel32:
      at = readImmediate(bytes, at, form === Form.rel8 ? 1 : 4);
      short.target = at + short.immediate;
      return at;
    default:
      at = readOperand(bytes, at, rex);
      if (((short.modrm >> 3) & 7) >= 2) return at;
      return readImmediate(bytes, at, form === Form.group8 ? 1 : (rex & 8) !== 0 ? 4 : size);
  }
}

/**
 * Decodes the instruction at an offset into {@link short} and returns its length; 0 where it is
 * one for iced, or cut off.
 */
export function decodeShort(bytes: Buffer, start: number): number {
  let at = start;
  let prefix = 0;
  short.length = 0;
  short.segment = false;
  let byte = bytes[at++] ?? 0;
  prefixes: for (;;) {
    switch (byte) {
      case 0x66:
        if (prefix === 0) prefix = Prefix.size;
        else if (prefix !== Prefix.size) return 0;
        break;
      case 0xf2:
      case 0xf3:
        if (prefix !== 0) return 0;
        prefix = byte === 0xf3 ? Prefix.rep : Prefix.repne;
        break;
      case 0x2e:
      case 0x3e:
        break;
      case 0x64:
      case 0x65:
        short.segment = true;
        break;
      default:
        break prefixes;
    }
    byte = bytes[at++] ?? 0;
  }
  short.rex = 0;
  if (byte >= 0x40 && byte <= 0x4f) {
    short.rex = byte;
    byte = bytes[at++] ?? 0;
  }
  const opcode = byte === 0x0f ? SECOND_MAP + (bytes[at++] ?? 0) : byte;
  const form = SHORT_FORMS[opcode * 4 + prefix] ?? 0;
  if (form === Form.rare) return 0;
  short.opcode = opcode;
  short.prefix = prefix;
  short.modrm = -1;
  short.memory = false;
  short.base = NO_REGISTER;
  short.index = NO_REGISTER;
  short.scale = 1;
  short.displacement = 0;
  const end = readRest(bytes, at, form);
  if (end === 0 || end > bytes.length || end - start > LONGEST) return 0;
  short.length = end - start;
  return short.length;
}
