/**
 * A static ELF executable for x86-64: code that is not written, data that is not executed.
 * Source: System V ABI, chapter 4 and 5; ELF-64 object file format.
 */
export interface Program {
  /** Machine code, and where its first instruction is. */
  readonly code: Uint8Array;
  readonly entry: number;
  readonly data: Uint8Array;
}

/** Where the code and the data are mapped: below 2 GiB, so that addresses fit 32 bits. */
export const IMAGE_BASE = 0x40_0000;
export const DATA_BASE = 0x60_0000;

const HEADER = 64;
const PROGRAM_HEADER = 56;
const SEGMENTS = 3;
const PAGE = 0x1000;

/** Where code begins: behind the headers, in the first segment. */
export const CODE_BASE = IMAGE_BASE + HEADER + SEGMENTS * PROGRAM_HEADER;

const PT_LOAD = 1;
const PT_GNU_STACK = 0x6474_e551;
const [EXECUTE, WRITE, READ] = [1, 2, 4];

function elfHeader(entry: number): Buffer {
  const header = Buffer.alloc(HEADER);
  // 64-bit, little-endian, version 1, System V
  header.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0]);
  header.writeUInt16LE(2, 16); // ET_EXEC
  header.writeUInt16LE(62, 18); // EM_X86_64
  header.writeUInt32LE(1, 20);
  header.writeBigUInt64LE(BigInt(entry), 24);
  header.writeBigUInt64LE(BigInt(HEADER), 32); // program headers follow
  header.writeUInt16LE(HEADER, 52);
  header.writeUInt16LE(PROGRAM_HEADER, 54);
  header.writeUInt16LE(SEGMENTS, 56);
  header.writeUInt16LE(64, 58); // size of a section header, of which there are none
  return header;
}

function programHeader(
  type: number,
  flags: number,
  offset: number,
  address: number,
  size: number,
): Buffer {
  const header = Buffer.alloc(PROGRAM_HEADER);
  header.writeUInt32LE(type, 0);
  header.writeUInt32LE(flags, 4);
  const words = [offset, address, address, size, size, type === PT_LOAD ? PAGE : 16];
  for (const [i, word] of words.entries()) header.writeBigUInt64LE(BigInt(word), 8 + 8 * i);
  return header;
}

/** The file; equal programs give equal bytes. */
export function elfExecutable({ code, entry, data }: Program): Buffer {
  const codeEnd = CODE_BASE - IMAGE_BASE + code.length;
  const dataOffset = Math.ceil(codeEnd / PAGE) * PAGE;
  return Buffer.concat([
    elfHeader(entry),
    programHeader(PT_LOAD, READ | EXECUTE, 0, IMAGE_BASE, codeEnd),
    programHeader(PT_LOAD, READ | WRITE, dataOffset, DATA_BASE, data.length),
    programHeader(PT_GNU_STACK, READ | WRITE, 0, 0, 0),
    code,
    Buffer.alloc(dataOffset - codeEnd),
    data,
  ]);
}
