/** Where something died, as far as one report of it says. */

/**
 * - `invalid-opcode`: #UD, or SIGILL
 * - `breakpoint`: #BP, INT3
 * - `general-protection`: #GP
 * - `reserved-bit`: a page fault on a reserved bit of a page table
 * - `control-protection`: #CP, of CET
 * - `refused`: it said which features it misses
 * - `other`: another signal or fault
 */
export type Fault =
  | "invalid-opcode"
  | "breakpoint"
  | "general-protection"
  | "reserved-bit"
  | "control-protection"
  | "refused"
  | "other";

/** A file in the memory of the process. */
export interface Mapping {
  readonly name: string;
  /** Where the mapping that was hit begins; undefined where only an offset is known. */
  readonly start: number | undefined;
  readonly size: number | undefined;
  /** The byte of the file that the instruction pointer is at, if the report says so. */
  readonly fileOffset: number | undefined;
  /** The instruction pointer from where the file is loaded: `node + 0x217c2dd`. */
  readonly loadOffset: number | undefined;
  /** The file's build id, where a core has it. */
  readonly buildId: string | undefined;
}

/** A mapping of which only what is given is known. */
export function mappingOf(facts: Partial<Mapping> & Pick<Mapping, "name">): Mapping {
  const unknown = { start: undefined, size: undefined, fileOffset: undefined };
  const name = facts.name.replace(/ \(deleted\)$/, "");
  return { ...unknown, loadOffset: undefined, buildId: undefined, ...facts, name };
}

export interface CrashSite {
  /** What the report is: `kernel log`, `kernel oops`, `coredumpctl`, `core file`, … */
  readonly report: string;
  readonly arch: "x86_64" | "aarch64";
  readonly ring: "user" | "kernel";
  readonly fault: Fault;
  /** The fault in the report's words: `trap invalid opcode`. */
  readonly words: string;
  readonly process: string | undefined;
  readonly pid: number | undefined;
  /** The instruction pointer, signed: kernel addresses are negative. */
  readonly ip: number | undefined;
  readonly mapping: Mapping | undefined;
  /** Function and offset where the report names them. */
  readonly symbol: string | undefined;
  /** The bytes at the instruction pointer and after. */
  readonly bytes: Buffer | undefined;
  /** What stood before and in the kernel's own words of its line: times differ, or do not. */
  readonly prefix?: string;
  readonly tail?: string;
  /** The instruction as a debugger wrote it, where it did not show its bytes. */
  readonly assembly?: string;
  /** Features that the report says are missing; undefined where it names none. */
  readonly needs?: readonly string[];
  /** The line of the report, from 1. */
  readonly line: number | undefined;
  /** `si_code` of the signal, where known: 1 and 2 are faults, 0 and below were sent. */
  readonly signalCode: number | undefined;
  /** XCR0 as the guest's kernel had set it, where known. */
  readonly xcr0: bigint | undefined;
}

const NOTHING: Omit<CrashSite, "report" | "words"> = {
  arch: "x86_64",
  ring: "user",
  fault: "other",
  process: undefined,
  pid: undefined,
  ip: undefined,
  mapping: undefined,
  symbol: undefined,
  bytes: undefined,
  line: undefined,
  signalCode: undefined,
  xcr0: undefined,
};

/** A site of which only what is given is known. */
export function siteOf(facts: Partial<CrashSite> & Pick<CrashSite, "report" | "words">): CrashSite {
  return { ...NOTHING, ...facts };
}

/** A kind of report that goes on over several lines. */
export interface ReportFormat {
  /** How many lines after its head a report may go on. */
  readonly reach: number;
  /** The site that a line begins; `current`: the one that is being told. */
  head(text: string, line: number, current: CrashSite | undefined): CrashSite | undefined;
  /** The site with what a line adds; the same object where it adds nothing. */
  more(site: CrashSite, text: string): CrashSite;
}
