/**
 * The first bytes of an ELF file: what kind it is and where its tables are.
 * Source: System V ABI, chapter 4 (https://gabi.xinuos.com/elf/02-eheader.html) and elf(5).
 */
import type { ByteSource } from "./bytes.ts";
import { ElfError } from "./errors.ts";
import { addressAt, sizeAt } from "./numbers.ts";

type ElfType = "relocatable" | "executable" | "shared" | "core" | "other";

export interface ElfHeader {
  readonly type: ElfType;
  /** `x86-64`, else what it is for: `x86 (32 bits)`, `aarch64`, `machine 243`, … */
  readonly machine: string;
  readonly entry: number;
  readonly segments: TablePlace;
  readonly sections: TablePlace;
  /** Index of the section that holds the sections' names. */
  readonly sectionNames: number;
}

export interface TablePlace {
  readonly offset: number;
  readonly entrySize: number;
  readonly count: number;
}

const MAGIC = Buffer.from("\u007fELF", "latin1");
const HEADER_SIZE = 64;
/** e_ident alone: enough to say whether it is ELF. */
const IDENT_SIZE = 16;

const TYPES: Readonly<Record<number, ElfType>> = {
  1: "relocatable",
  2: "executable",
  3: "shared",
  4: "core",
};

/** Machines that a server's image may hold (elf.h, EM_*). */
const MACHINES: Readonly<Record<number, string>> = {
  3: "x86 (32 bits)",
  8: "MIPS",
  20: "PowerPC",
  21: "PowerPC (64 bits)",
  22: "S390",
  40: "ARM (32 bits)",
  62: "x86-64",
  183: "aarch64",
  243: "RISC-V",
  247: "BPF",
  258: "LoongArch",
};

export function isElf(start: Uint8Array): boolean {
  return MAGIC.equals(start.subarray(0, MAGIC.length));
}

function machineOf(bytes: Buffer, littleEndian: boolean, is64: boolean): string {
  const machine = littleEndian ? bytes.readUInt16LE(18) : bytes.readUInt16BE(18);
  const name = MACHINES[machine] ?? `machine ${machine}`;
  return name === "x86-64" && !is64 ? "x86-64 (x32)" : name;
}

/** Fields of a file for another machine: it is named, nothing more is read. */
function foreign(type: ElfType, machine: string): ElfHeader {
  const nothing = { offset: 0, entrySize: 0, count: 0 };
  return { type, machine, entry: 0, segments: nothing, sections: nothing, sectionNames: 0 };
}

/** Throws `NOT_ELF` and `BAD_ELF`. */
export function readHeader(source: ByteSource): ElfHeader {
  const where = "ELF header";
  const start = source.read(0, Math.min(source.size, HEADER_SIZE), where);
  if (!isElf(start)) throw new ElfError("NOT_ELF", where, "this is not an ELF file");
  if (start.length < IDENT_SIZE + 4) source.read(0, HEADER_SIZE, where);
  const [is64, littleEndian] = [start[4] === 2, start[5] === 1];
  const machine = machineOf(start, littleEndian, is64);
  const type = TYPES[littleEndian ? start.readUInt16LE(16) : start.readUInt16BE(16)] ?? "other";
  if (machine !== "x86-64" || !littleEndian) return foreign(type, machine);
  const bytes = source.read(0, HEADER_SIZE, where);
  return {
    type,
    machine,
    entry: addressAt(bytes, 24),
    segments: {
      offset: sizeAt(bytes, 32, where),
      entrySize: bytes.readUInt16LE(54),
      count: bytes.readUInt16LE(56),
    },
    sections: {
      offset: sizeAt(bytes, 40, where),
      entrySize: bytes.readUInt16LE(58),
      count: bytes.readUInt16LE(60),
    },
    sectionNames: bytes.readUInt16LE(62),
  };
}
