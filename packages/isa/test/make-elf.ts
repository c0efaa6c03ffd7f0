/** A small ELF program made by hand: two segments, a symbol table, an .eh_frame-less .text. */

const HEADER = 64;
const PROGRAM_HEADER = 56;
const SECTION_HEADER = 64;
const BASE = 0x40_0000;

export interface Made {
  readonly bytes: Buffer;
  /** Offset of the section header table. */
  readonly sections: number;
  readonly entry: number;
}

function put64(bytes: Buffer, at: number, value: number): void {
  bytes.writeBigUInt64LE(BigInt(value), at);
}

interface SectionFields {
  readonly name: number;
  readonly type: number;
  readonly flags: number;
  readonly address: number;
  readonly offset: number;
  readonly size: number;
  readonly link?: number;
  readonly entrySize?: number;
}

function putSection(bytes: Buffer, at: number, s: SectionFields): void {
  bytes.writeUInt32LE(s.name, at);
  bytes.writeUInt32LE(s.type, at + 4);
  put64(bytes, at + 8, s.flags);
  put64(bytes, at + 16, s.address);
  put64(bytes, at + 24, s.offset);
  put64(bytes, at + 32, s.size);
  bytes.writeUInt32LE(s.link ?? 0, at + 40);
  put64(bytes, at + 56, s.entrySize ?? 0);
}

function putHeader(bytes: Buffer, entry: number, sections: number): void {
  bytes.write("\u007fELF\u0002\u0001\u0001", 0, "latin1");
  bytes.writeUInt16LE(2, 16);
  bytes.writeUInt16LE(62, 18);
  bytes.writeUInt32LE(1, 20);
  put64(bytes, 24, entry);
  put64(bytes, 32, HEADER);
  put64(bytes, 40, sections);
  bytes.writeUInt16LE(HEADER, 52);
  bytes.writeUInt16LE(PROGRAM_HEADER, 54);
  bytes.writeUInt16LE(1, 56);
  bytes.writeUInt16LE(SECTION_HEADER, 58);
  bytes.writeUInt16LE(5, 60);
  bytes.writeUInt16LE(4, 62);
}

/** A program whose one function, at the entry point, consists of the first `size` bytes. */
export function makeElf(code: Buffer, size = code.length, name = "f"): Made {
  const names = Buffer.from("\0.text\0.symtab\0.strtab\0.shstrtab\0", "latin1");
  const strings = Buffer.from(`\0${name}\0`, "latin1");
  const text = HEADER + PROGRAM_HEADER;
  const symbols = text + code.length;
  const strtab = symbols + 48;
  const shstrtab = strtab + strings.length;
  const sections = shstrtab + names.length;
  const bytes = Buffer.alloc(sections + 5 * SECTION_HEADER);
  const entry = BASE + text;
  putHeader(bytes, entry, sections);
  bytes.writeUInt32LE(1, HEADER);
  bytes.writeUInt32LE(5, HEADER + 4);
  put64(bytes, HEADER + 16, BASE);
  put64(bytes, HEADER + 32, bytes.length);
  put64(bytes, HEADER + 40, bytes.length);
  code.copy(bytes, text);
  const symbol = symbols + 24;
  bytes.writeUInt32LE(1, symbol);
  bytes.writeUInt8(0x12, symbol + 4);
  bytes.writeUInt16LE(1, symbol + 6);
  put64(bytes, symbol + 8, entry);
  put64(bytes, symbol + 16, size);
  strings.copy(bytes, strtab);
  names.copy(bytes, shstrtab);
  const at = (index: number) => sections + index * SECTION_HEADER;
  const where = { address: entry, offset: text, size: code.length };
  putSection(bytes, at(1), { name: 1, type: 1, flags: 6, ...where });
  const table = { flags: 0, address: 0, link: 3, entrySize: 24 };
  putSection(bytes, at(2), { name: 7, type: 2, ...table, offset: symbols, size: 48 });
  const plain = { type: 3, flags: 0, address: 0 };
  putSection(bytes, at(3), { name: 15, ...plain, offset: strtab, size: strings.length });
  putSection(bytes, at(4), { name: 23, ...plain, offset: shstrtab, size: names.length });
  return { bytes, sections, entry };
}

/** vpaddd %zmm1, %zmm2, %zmm3; ret */
export const AVX512_CODE = Buffer.from("62f16d48fed9c3", "hex");
/** xor %eax, %eax; ret */
export const PLAIN_CODE = Buffer.from("31c0c3", "hex");
