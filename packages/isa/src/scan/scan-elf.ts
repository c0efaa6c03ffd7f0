/** One ELF file: what it declares, what it asks, and what it contains. */
import type { ByteSource } from "../elf/bytes.ts";
import type { Relocation } from "../elf/dynamic.ts";
import { ElfError } from "../elf/errors.ts";
import { readElf, type ElfFile } from "../elf/file.ts";
import { readDeclaredLevels } from "../elf/notes.ts";
import { hexAddress } from "../elf/numbers.ts";
import type { SymbolKind } from "../elf/symbols.ts";
import { PT_LOAD } from "../elf/tables.ts";
import { findAsking, type Asking } from "./asks.ts";
import { DISPATCHERS, type Dispatcher } from "./dispatchers.ts";
import { featuresOf } from "./features.ts";
import { throughoutOf } from "./throughout.ts";
import { inquire } from "./inquire.ts";
import { readProgram, type Program } from "./program.ts";
import type { FileScan, Question, ScanResult } from "./result.ts";
import { dispatchersByText } from "./texts.ts";
import type { ReadCode } from "./walk.ts";

/** The file that ld.so takes on a CPU of a level: `glibc-hwcaps/x86-64-v3/libz.so`. */
const HWCAPS = /\/glibc-hwcaps\/(x86-64-v[234])\//;

/** Slots of the GOT through which the file reaches what is its own and others may replace. */
function slotsOf(relocations: readonly Relocation[], kind: SymbolKind): Map<number, number> {
  return new Map(
    relocations.flatMap(({ place, symbol }) =>
      symbol?.kind === kind && symbol.section !== 0 ? [[place, symbol.value] as const] : [],
    ),
  );
}

function isWritable({ segments }: ElfFile, address: number): boolean {
  return segments.some(
    (s) =>
      s.type === PT_LOAD &&
      s.writable &&
      address >= s.address &&
      address < s.address + s.memorySize,
  );
}

function askingOf({ elf, layout, symbols, relocations, code }: Program): Asking {
  return findAsking({
    index: code.index,
    symbols,
    relocations,
    layout,
    isVariable: (address) => isWritable(elf, address),
    slots: slotsOf(relocations, "function"),
    variables: slotsOf(relocations, "object"),
  });
}

/** Known by symbols, else by texts. Only what writes code matters where nothing is to be guarded. */
function dispatchersIn({ elf, code }: Program, { dispatchers }: Asking): Dispatcher[] {
  const guards = code.functions.some((f) => f.code.uses.size > 0);
  const unseen = DISPATCHERS.filter((d) => !dispatchers.includes(d) && (guards || d.jit === true));
  return [...dispatchers, ...dispatchersByText(elf, unseen)];
}

function functions(count: number): string {
  return `${count} function${count === 1 ? "" : "s"}`;
}

function questionsOf(
  name: string,
  { cpuid, ifuncs }: Asking,
  dispatchers: readonly Dispatcher[],
): Question[] {
  const level = HWCAPS.exec(name)?.[1];
  const questions: Question[] = dispatchers.map((d) => ({ kind: "known", what: d.name }));
  if (ifuncs.length > 0) questions.unshift({ kind: "ifunc", what: functions(ifuncs.length) });
  if (cpuid.length > 0) questions.unshift({ kind: "cpuid", what: functions(cpuid.length) });
  if (level !== undefined) questions.unshift({ kind: "ld.so", what: level });
  return questions;
}

function codeSummary({ functions: all, bytes, unread }: ReadCode): FileScan["code"] {
  const unknown = all.flatMap(({ sure, start, code }) =>
    sure === "certain" && code.unknownAt !== undefined ? [start + code.unknownAt] : [],
  );
  const [first] = unknown;
  return {
    bytes,
    unread,
    functions: all.length,
    instructions: all.reduce((n, { code }) => n + code.instructions, 0),
    unknown: unknown.length,
    ...(first === undefined ? {} : { unknownAt: hexAddress(first) }),
  };
}

function describe(name: string, program: Program): FileScan {
  const { elf, kind, code } = program;
  const asking = askingOf(program);
  const dispatchers = dispatchersIn(program, asking);
  const ownDispatcher = dispatchers.some(({ runtime }) => runtime !== true);
  const { reach, inquiry, readsKernel, refuses } = inquire(program, asking, ownDispatcher);
  const asks = questionsOf(name, asking, dispatchers);
  if (readsKernel) asks.push({ kind: "known", what: "/proc/cpuinfo" });
  const features = featuresOf(code, {
    asking,
    reach,
    findings: (f) => inquiry?.findings(f),
    opaque: (f) => asking.choosers.has(f) && inquiry?.findings(f) === undefined,
    library: kind !== "executable",
    asks: asks.length > 0,
    dispatchers: new Set(dispatchers.map((d) => d.name)),
    ownDispatcher,
  });
  return {
    name,
    kind,
    declares: readDeclaredLevels(elf),
    asks,
    refuses,
    throughout: throughoutOf(code, features, ownDispatcher),
    jit: dispatchers.filter(({ jit }) => jit === true).map((d) => d.name),
    features,
    code: codeSummary(code),
    problems: elf.problems,
  };
}

function skipped(name: string, reason: string): ScanResult {
  return { status: "skipped", skipped: { name, reason } };
}

function notRead(name: string, reason: string): ScanResult {
  return { status: "unread", unread: { name, reason } };
}

/** Programs of these run on x86-64 CPUs too, and are not read. */
const ALSO_HERE = new Set(["x86 (32 bits)", "x86-64 (x32)"]);

export interface ScanOptions {
  /** Called now and then with the bytes of code read so far. */
  readonly onProgress?: (bytes: number) => void;
}

/** Scans the bytes of one ELF file; never throws for what is wrong with them. */
export function scanElf(name: string, source: ByteSource, options: ScanOptions = {}): ScanResult {
  try {
    const elf = readElf(source);
    const { machine, type } = elf.header;
    if (ALSO_HERE.has(machine)) return notRead(name, `made for ${machine}, which is not read`);
    if (machine !== "x86-64") return skipped(name, `made for ${machine}`);
    if (type === "core") return skipped(name, "a core file: see evenkeel explain");
    const scan = describe(name, readProgram(elf, options.onProgress));
    if (scan.code.bytes > 0 || scan.problems.length === 0) return { status: "scanned", scan };
    return notRead(name, scan.problems.map(({ message }) => message).join("; "));
  } catch (error) {
    if (!(error instanceof ElfError)) throw error;
    return error.code === "NOT_ELF" ? { status: "ignored" } : notRead(name, error.message);
  }
}
