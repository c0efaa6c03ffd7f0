/** What comes after an instruction of the short decoder, and whether it writes its operand. */
import { Flow } from "./codes.ts";
import { SECOND_MAP } from "./short-forms.ts";
import { short } from "./short.ts";

const FLOWS = new Uint8Array(512).fill(Flow.next);
/** 1: writes `rm`; a group's members by their bits above it. */
const WRITES = new Uint16Array(512);

function fill(table: Uint8Array | Uint16Array, value: number, ...opcodes: number[]): void {
  for (const opcode of opcodes) table[opcode] = value;
}

for (let opcode = 0x70; opcode < 0x80; opcode++) FLOWS[opcode] = Flow.branch8;
for (let opcode = 0x80; opcode < 0x90; opcode++) FLOWS[SECOND_MAP + opcode] = Flow.branch32;
fill(FLOWS, Flow.end, 0xc2, 0xc3);
fill(FLOWS, Flow.call32, 0xe8);
fill(FLOWS, Flow.jump32, 0xe9);
fill(FLOWS, Flow.jump8, 0xeb);
fill(FLOWS, Flow.nop, 0x90, SECOND_MAP + 0x1f);

/** Of the last instruction of `decodeShort`. */
export function shortFlow(): Flow {
  const { opcode, modrm } = short;
  if (opcode === 0xff) {
    const group = (modrm >> 3) & 7;
    return group === 2 ? Flow.call : group === 4 ? Flow.jump : Flow.next;
  }
  return FLOWS[opcode] as Flow;
}

const ALWAYS = 1;
const group = (...members: number[]) => members.reduce((bits, n) => bits | (2 << n), 0);
for (let row = 0; row < 0x38; row += 8) fill(WRITES, ALWAYS, row, row + 1);
fill(WRITES, ALWAYS, 0x86, 0x87, 0x88, 0x89, 0xc0, 0xc1, 0xc6, 0xc7, 0xd0, 0xd1, 0xd2, 0xd3);
fill(WRITES, group(0, 1, 2, 3, 4, 5, 6), 0x80, 0x81, 0x83);
fill(WRITES, group(2, 3), 0xf6, 0xf7);
fill(WRITES, group(0, 1), 0xfe, 0xff);
fill(WRITES, group(5, 6, 7), SECOND_MAP + 0xba);
for (const opcode of [
  0x11, 0x13, 0x17, 0x29, 0x2b, 0x7e, 0x7f, 0xa4, 0xa5, 0xab, 0xac, 0xad, 0xb0, 0xb1, 0xb3, 0xbb,
  0xc0, 0xc1, 0xc3, 0xd6, 0xe7,
]) {
  WRITES[SECOND_MAP + opcode] = ALWAYS;
}
for (let opcode = 0x90; opcode < 0xa0; opcode++) WRITES[SECOND_MAP + opcode] = ALWAYS;

/** Whether the last instruction of `decodeShort` writes to `rm`. */
export function shortWrites(): boolean {
  const { opcode, modrm, prefix } = short;
  // Under REP, 0F 7E loads.
  if (opcode === SECOND_MAP + 0x7e && prefix === 2) return false;
  const members = WRITES[opcode] ?? 0;
  return members === ALWAYS || ((members >> (((modrm >> 3) & 7) + 1)) & 1) === 1;
}
