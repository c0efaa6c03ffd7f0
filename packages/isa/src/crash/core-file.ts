/**
 * Core files of x86-64 Linux: who died of which signal, where, and what was mapped there.
 * Source: core(5); Linux fs/binfmt_elf.c, include/uapi/linux/elf.h, struct elf_prstatus;
 * the XSAVE area's XCR0 in arch/x86/include/uapi/asm/sigcontext.h (struct _fpx_sw_bytes).
 */
import { basename } from "node:path";
import { bytesOf, type ByteSource } from "../elf/bytes.ts";
import { attempt, bytesAtAddress, readElf, type ElfFile } from "../elf/file.ts";
import { readNotes, type ElfNote } from "../elf/notes.ts";
import { addressAt, addressOf, textAt } from "../elf/numbers.ts";
import { PT_LOAD } from "../elf/tables.ts";
import { IsaError } from "../errors.ts";
import { buildIdOf } from "./binary.ts";
import { mappingOf, siteOf, type CrashSite, type Fault } from "./site.ts";

const NT_PRSTATUS = 1;
const NT_PRPSINFO = 3;
const NT_AUXV = 6;
const NT_X86_XSTATE = 0x202;
const NT_FILE = 0x4649_4c45;
const NT_SIGINFO = 0x5349_4749;

/** struct elf_prstatus: pr_cursig, pr_pid, then the registers of struct user_regs_struct. */
const CURSIG = 12;
const PID = 32;
const RIP = 112 + 16 * 8;
const PRSTATUS_SIZE = 336;
/** struct elf_prpsinfo: pr_fname of 16 bytes. */
const FNAME = 40;
const XCR0 = 464;

export interface CoreFile {
  readonly site: CrashSite;
  /** The file that the instruction pointer was in. */
  readonly path: string | undefined;
  /** What could not be read. */
  readonly problems: readonly string[];
}

interface MappedFile {
  readonly path: string;
  readonly start: number;
  readonly end: number;
  readonly offset: number;
}

const SIGNALS: Readonly<Record<number, string>> = {
  4: "SIGILL",
  5: "SIGTRAP",
  6: "SIGABRT",
  7: "SIGBUS",
  8: "SIGFPE",
  11: "SIGSEGV",
};
const SI_KERNEL = 0x80;

function faultOf(signal: number, code: number | undefined): Fault {
  if (signal === 4) return "invalid-opcode";
  if (signal === 5) return "breakpoint";
  // A general protection fault has no address: the kernel sends SIGSEGV from itself.
  return signal === 11 && code === SI_KERNEL ? "general-protection" : "other";
}

function mappedFiles(note: ElfNote | undefined): MappedFile[] {
  const { bytes } = note ?? {};
  if (bytes === undefined || bytes.length < 16) return [];
  const count = Math.min(addressAt(bytes, 0), Math.floor((bytes.length - 16) / 24));
  const pageSize = addressAt(bytes, 8);
  const files: MappedFile[] = [];
  let nameAt = 16 + count * 24;
  for (let i = 0; i < count; i++) {
    const at = 16 + i * 24;
    const path = textAt(bytes, nameAt);
    nameAt += Buffer.byteLength(path) + 1;
    const [start, end] = [addressAt(bytes, at), addressAt(bytes, at + 8)];
    files.push({ path, start, end, offset: addressAt(bytes, at + 16) * pageSize });
  }
  return files;
}

function fileAt(files: readonly MappedFile[], ip: number | undefined): MappedFile | undefined {
  return files.find(({ start, end }) => ip !== undefined && ip >= start && ip < end);
}

function badCore(message: string): never {
  throw new IsaError("BAD_CORE", message);
}

/** The build id in the first page of a file, which cores keep by default. */
function buildIdIn(core: ElfFile, file: MappedFile, files: readonly MappedFile[]) {
  const first = files.find(({ path, offset }) => path === file.path && offset === 0);
  if (first === undefined) return undefined;
  const read = () => bytesAtAddress(core, first.start, 4096, "first page of the program");
  const page = attempt(core.problems, read, undefined);
  if (page === undefined || page.length === 0) return undefined;
  // Everything but its first page is missing from this view of the file.
  return attempt([], () => buildIdOf(readElf(bytesOf(page))), undefined);
}

/** getauxval(3): the address of the program's own headers. */
const AT_PHDR = 3n;

function auxiliary(note: ElfNote | undefined, type: bigint): number | undefined {
  const { bytes = Buffer.alloc(0) } = note ?? {};
  for (let at = 0; at + 16 <= bytes.length; at += 16) {
    if (bytes.readBigUInt64LE(at) === type) return addressOf(bytes.readBigUInt64LE(at + 8));
  }
  return undefined;
}

/**
 * The program itself, in cores that do not list files, such as those of QEMU's user emulation: it
 * lies from its headers on, without a gap.
 */
function programIn(core: ElfFile, notes: readonly ElfNote[], name: string, ip: number) {
  const headers = auxiliary(
    notes.find(({ type }) => type === NT_AUXV),
    AT_PHDR,
  );
  const loads = core.segments
    .filter(({ type, memorySize }) => type === PT_LOAD && memorySize > 0)
    .toSorted((a, b) => a.address - b.address);
  const first = loads.findIndex(
    (s) => headers !== undefined && headers >= s.address && headers < s.address + s.memorySize,
  );
  const start = loads[first]?.address;
  if (first === -1 || start === undefined) return undefined;
  let end = start;
  for (const s of loads.slice(first)) if (s.address === end) end += s.memorySize;
  return ip >= start && ip < end ? mappingOf({ name, loadOffset: ip - start }) : undefined;
}

/** XCR0 as the kernel writes it into the part of the XSAVE area that is left to software. */
function xcr0In(notes: readonly ElfNote[]): bigint | undefined {
  const bytes = notes.find(({ type }) => type === NT_X86_XSTATE)?.bytes;
  return bytes !== undefined && bytes.length >= XCR0 + 8 ? bytes.readBigUInt64LE(XCR0) : undefined;
}

function mappingIn(core: ElfFile, file: MappedFile, files: readonly MappedFile[], ip: number) {
  const { path, start, end, offset } = file;
  return mappingOf({
    name: basename(path),
    start,
    size: end - start,
    fileOffset: offset + (ip - start),
    buildId: buildIdIn(core, file, files),
  });
}

function siteIn(elf: ElfFile, notes: readonly ElfNote[], files: readonly MappedFile[]): CrashSite {
  // The thread that died comes first.
  const status = notes.find(({ name, type }) => name === "CORE" && type === NT_PRSTATUS)?.bytes;
  if (status === undefined || status.length < PRSTATUS_SIZE) {
    return badCore(elf.problems[0]?.message ?? "note segment: it has no thread (NT_PRSTATUS)");
  }
  const info = notes.find(({ type }) => type === NT_SIGINFO)?.bytes;
  const person = notes.find(({ name, type }) => name === "CORE" && type === NT_PRPSINFO)?.bytes;
  const signal = status.readUInt16LE(CURSIG);
  const signalCode = info !== undefined && info.length >= 12 ? info.readInt32LE(8) : undefined;
  const ip = addressOf(status.readBigUInt64LE(RIP));
  const file = fileAt(files, ip);
  const read = () => bytesAtAddress(elf, ip, 64, "memory at the instruction pointer");
  const bytes = attempt(elf.problems, read, undefined);
  const process = person === undefined ? undefined : textAt(person.subarray(0, FNAME + 16), FNAME);
  const program = () => programIn(elf, notes, process ?? "the program", ip);
  return siteOf({
    report: "core file",
    fault: faultOf(signal, signalCode),
    words: SIGNALS[signal] ?? `signal ${signal}`,
    process,
    pid: status.readInt32LE(PID),
    ip,
    mapping: file === undefined ? program() : mappingIn(elf, file, files, ip),
    bytes: bytes === undefined || bytes.length === 0 ? undefined : bytes,
    signalCode,
    xcr0: xcr0In(notes),
  });
}

/** Reads a core file. Throws BAD_CORE, NOT_ELF and BAD_ELF. */
export function readCore(source: ByteSource): CoreFile {
  const elf = readElf(source);
  const { type, machine } = elf.header;
  if (type !== "core")
    return badCore(`ELF header: this is no core but ${type} code; give it as --binary`);
  if (machine !== "x86-64")
    return badCore(`ELF header: a core of ${machine}, but only x86-64 is read`);
  const notes = readNotes(elf);
  const files = mappedFiles(notes.find(({ type: t }) => t === NT_FILE));
  const site = siteIn(elf, notes, files);
  return {
    site,
    path: fileAt(files, site.ip)?.path,
    problems: elf.problems.map(({ message }) => message),
  };
}
