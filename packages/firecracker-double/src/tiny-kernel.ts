/**
 * The smallest guest that Firecracker boots: an ELF image that greets on the serial port and
 * halts. Enough for boots, pauses and snapshots by the real thing, without a Linux kernel.
 */
import { writeFileSync } from "node:fs";

const LOAD_ADDRESS = 0x10_0000n;
const CODE_OFFSET = 0x1000;
const PAGE = 0x1000n;
const ELF_HEADER_SIZE = 64;
const PROGRAM_HEADER_SIZE = 56;

/** The double's guests say the same. */
export const GREETING = "guest booted";

/** hlt; jmp to it */
const HALT = "f4ebfd";
/** jmp to the lea; nop */
const REPEAT = "ebef90";

/** x86-64, run in long mode with memory mapped one to one. */
function codeOf(then: string, text: string): Buffer {
  return Buffer.concat([
    // mov dx, 0x3f8; lea rsi, [rip + 11]: the text behind the code
    Buffer.from("66baf803488d350b000000", "hex"),
    // 1: lodsb; test al, al; jz 2f; out dx, al; jmp 1b; 2:
    Buffer.from("ac84c07403eeebf8", "hex"),
    Buffer.from(then, "hex"),
    Buffer.from(`${text}\n\0`, "latin1"),
  ]);
}

function elfHeader(): Buffer {
  const header = Buffer.alloc(ELF_HEADER_SIZE);
  header.write("\x7fELF\x02\x01\x01", "latin1");
  header.writeUInt16LE(2, 16);
  header.writeUInt16LE(62, 18);
  header.writeUInt32LE(1, 20);
  header.writeBigUInt64LE(LOAD_ADDRESS, 24);
  header.writeBigUInt64LE(BigInt(ELF_HEADER_SIZE), 32);
  header.writeUInt16LE(ELF_HEADER_SIZE, 52);
  header.writeUInt16LE(PROGRAM_HEADER_SIZE, 54);
  header.writeUInt16LE(1, 56);
  return header;
}

function programHeader(codeLength: number): Buffer {
  const header = Buffer.alloc(PROGRAM_HEADER_SIZE);
  header.writeUInt32LE(1, 0);
  header.writeUInt32LE(5, 4);
  header.writeBigUInt64LE(BigInt(CODE_OFFSET), 8);
  header.writeBigUInt64LE(LOAD_ADDRESS, 16);
  header.writeBigUInt64LE(LOAD_ADDRESS, 24);
  header.writeBigUInt64LE(BigInt(codeLength), 32);
  header.writeBigUInt64LE(BigInt(codeLength), 40);
  header.writeBigUInt64LE(PAGE, 48);
  return header;
}

function writeKernel(path: string, code: Buffer): void {
  const headers = Buffer.concat([elfHeader(), programHeader(code.length)]);
  writeFileSync(path, Buffer.concat([headers, Buffer.alloc(CODE_OFFSET - headers.length), code]));
}

export function writeTinyKernel(path: string): void {
  writeKernel(path, codeOf(HALT, GREETING));
}

/** One that prints a line again and again, as fast as its vCPU can. */
export function writeFloodingKernel(path: string, line: string): void {
  writeKernel(path, codeOf(REPEAT, line));
}
