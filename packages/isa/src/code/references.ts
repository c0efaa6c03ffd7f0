/** The addresses that instructions name: where they read, write, call, and what they only take. */
import { Mnemonic, OpKind, Register, type Instruction } from "iced-x86";
import type { Image } from "../elf/image.ts";
import type { Reading } from "./reading.ts";
import { NO_REGISTER, RIP, short } from "./short.ts";
import { shortWrites } from "./short-flow.ts";

const [LEA, MOV_IMMEDIATE, STORE_IMMEDIATE, PUSH_IMMEDIATE, GROUP] = [0x8d, 0xb8, 0xc7, 0x68, 0xff];

/** In files for a fixed address, instructions name addresses as plain numbers. */
function isAddress(image: Image | undefined, value: number): boolean {
  return image?.fixed === true && value >= image.low && value < image.high;
}

function noteImmediate({ image, references, taken }: Reading): void {
  const { opcode, immediate } = short;
  const moves = (opcode & 0xf8) === MOV_IMMEDIATE;
  if (!moves && opcode !== STORE_IMMEDIATE && opcode !== PUSH_IMMEDIATE) return;
  if (!isAddress(image, immediate)) return;
  references.push(immediate);
  taken.push(immediate);
}

/** Notes what the last instruction of the short decoder names; it starts at the offset `at`. */
export function noteShort(noted: Reading, at: number): void {
  if (noted.fixed) noteImmediate(noted);
  if (!short.memory || short.segment) return;
  const { base, index, displacement, opcode, modrm } = short;
  const relative = base === RIP;
  if (!relative && (!noted.fixed || !isAddress(noted.image, displacement))) return;
  const address = relative ? noted.base + at + short.length + displacement : displacement;
  noted.references.push(address);
  const group = (modrm >> 3) & 7;
  if (opcode === GROUP && (group === 2 || group === 4)) {
    if (index === NO_REGISTER && (relative || base === NO_REGISTER)) noted.slots.push(address);
    else noted.taken.push(address);
    return;
  }
  // What a register is added to is the start of something.
  if (opcode === LEA || (!relative && (base !== NO_REGISTER || index !== NO_REGISTER))) {
    noted.taken.push(address);
  }
  if (shortWrites()) noted.written.push(address);
}

/** Instructions whose first operand may be memory that they do not write. */
const READS_ITS_FIRST: ReadonlySet<Mnemonic> = new Set([
  Mnemonic.Bt,
  Mnemonic.Call,
  Mnemonic.Cmp,
  Mnemonic.Jmp,
  Mnemonic.Nop,
  Mnemonic.Push,
  Mnemonic.Test,
]);

function memoryAddress(noted: Reading, instruction: Instruction, at: number): number | undefined {
  // The decoder's own position only counts on; the difference is what the instruction holds.
  const named = Number(instruction.memoryDisplacement & 0xffff_ffffn);
  if (instruction.isIpRelMemoryOperand) {
    const displacement = (named - instruction.nextIP32) | 0;
    return noted.base + at + instruction.length + displacement;
  }
  const absolute = named | 0;
  return isAddress(noted.image, absolute) ? absolute : undefined;
}

/** The same for an instruction of iced's. */
export function noteIced(noted: Reading, instruction: Instruction, at: number): void {
  if (instruction.memoryBase === Register.None && instruction.memoryDisplSize === 0) return;
  const address = memoryAddress(noted, instruction, at);
  if (address === undefined) return;
  noted.references.push(address);
  const { mnemonic } = instruction;
  if (mnemonic === Mnemonic.Call || mnemonic === Mnemonic.Jmp) noted.slots.push(address);
  if (mnemonic === Mnemonic.Lea) noted.taken.push(address);
  else if (instruction.op0Kind === OpKind.Memory && !READS_ITS_FIRST.has(mnemonic)) {
    noted.written.push(address);
  }
}
