/** What a guest says on its console: the canary's lines, and the kernel's last words. */
import type { CpuidEntry } from "@evenkeel/core";
import { SIGNIFICANT_INDEX } from "@evenkeel/core";
import { SUBLEAVES } from "./canary/subleaves.ts";

/** An end that the canary itself reported. */
type Report =
  | { readonly kind: "signal"; readonly signal: number }
  | { readonly kind: "wrong"; readonly got: string; readonly expected: string };

export interface CanaryEnd {
  readonly report: Report;
  readonly feature: string;
  readonly instruction: string;
  readonly address: string;
  /** Machine code at the address. */
  readonly bytes: Buffer;
}

export interface CanaryConsole {
  /** The newest whole report of CPUID. */
  readonly cpuid: readonly CpuidEntry[] | undefined;
  /** Features it found, each with an instruction it executes: `AVX2 vpaddd`. */
  readonly features: readonly string[];
  readonly ready: boolean;
  readonly ticks: number;
  readonly end: CanaryEnd | undefined;
}

const INDEXED = new Set(SUBLEAVES.map(([leaf]) => leaf));

/** Leaves that list levels of topology: a level of type 0 is none. */
const TOPOLOGY_LEAVES: ReadonlySet<number> = new Set([0xb, 0x1f, 0x8000_0026]);

const LEVEL_TYPE = 0xff00;

function entryOf(line: string): CpuidEntry {
  const [leaf = 0, subleaf = 0, eax = 0, ebx = 0, ecx = 0, edx = 0] = line
    .split(" ")
    .map((word) => parseInt(word, 16));
  const flags = INDEXED.has(leaf) ? SIGNIFICANT_INDEX : 0;
  return { leaf, subleaf, flags, eax, ebx, ecx, edx };
}

function isEntry({ leaf, subleaf, ecx }: CpuidEntry): boolean {
  return subleaf === 0 || !TOPOLOGY_LEAVES.has(leaf) || (ecx & LEVEL_TYPE) !== 0;
}

const REPORT = /canary cpuid begin[^\n]*\n([\s\S]*?)canary cpuid end\r?\n/g;
const ENTRY = /^canary cpuid ((?:[0-9a-f]{8} ?){6})\r?$/gm;

/** The last report that is whole; one that was cut short says nothing. */
function lastReport(text: string): CpuidEntry[] | undefined {
  const body = [...text.matchAll(REPORT)].at(-1)?.[1];
  if (body === undefined) return undefined;
  return [...body.matchAll(ENTRY)].map(([, line]) => entryOf(line ?? "")).filter(isEntry);
}

const SIGNAL = /^canary signal ([0-9a-f]{2}) (\S+) (\S+) rip=([0-9a-f]+)(?: bytes=([0-9a-f]+))?/m;
const WRONG =
  /^canary wrong (\S+) (\S+) rip=([0-9a-f]+) bytes=([0-9a-f]+) got=([0-9a-f]+) expected=([0-9a-f]+)/m;

function endOf(text: string): CanaryEnd | undefined {
  const signal = SIGNAL.exec(text);
  if (signal !== null) {
    const [, number = "", feature = "", instruction = "", address = "", bytes = ""] = signal;
    const report = { kind: "signal", signal: parseInt(number, 16) } as const;
    return { report, feature, instruction, address, bytes: Buffer.from(bytes, "hex") };
  }
  const wrong = WRONG.exec(text);
  if (wrong === null) return undefined;
  const [, feature = "", instruction = "", address = "", bytes = "", got = "", expected = ""] =
    wrong;
  const report = { kind: "wrong", got, expected } as const;
  return { report, feature, instruction, address, bytes: Buffer.from(bytes, "hex") };
}

export function readCanary(text: string): CanaryConsole {
  return {
    cpuid: lastReport(text),
    features: [...text.matchAll(/^canary feature (\S+ \S+)\r?$/gm)].map(([, name]) => name ?? ""),
    ready: /^canary ready\r?$/m.test(text),
    ticks: [...text.matchAll(/^canary tick [0-9a-f]{8} cpuid=[0-9a-f]{16}\r?$/gm)].length,
    end: endOf(text),
  };
}

/** A guest kernel's own report of its end. */
export interface KernelEnd {
  /** Its first words, such as `invalid opcode: 0000 [#1] PREEMPT SMP PTI`. */
  readonly message: string;
  /** `0033:` is a program's address, `0010:` the kernel's own. */
  readonly address: string | undefined;
  /** Machine code from the address on. */
  readonly bytes: Buffer;
}

/** Source: Linux `die()` in arch/x86/kernel/dumpstack.c, `panic()`, `show_opcodes()`. */
const LAST_WORDS = [
  /invalid opcode: \d+ \[#\d+\][^\r\n]*/,
  /general protection fault[^\r\n]*/,
  /(?:BUG|Oops|PANIC): [^\r\n]*/,
  /traps: \S+ trap invalid opcode[^\r\n]*/,
  /Kernel panic - not syncing: [^\r\n]*/,
];

export function readKernelEnd(text: string): KernelEnd | undefined {
  const message = LAST_WORDS.map((words) => words.exec(text)?.[0]).find((m) => m !== undefined);
  if (message === undefined) return undefined;
  const code = /Code: [0-9a-f ]*<([0-9a-f]{2})>([0-9a-f ]*)/.exec(text);
  const digits = code === null ? "" : `${code[1] ?? ""}${code[2] ?? ""}`.replaceAll(" ", "");
  return {
    message: message.trim(),
    address: /RIP: (\S+)/.exec(text)?.[1],
    bytes: Buffer.from(digits, "hex"),
  };
}
