/**
 * Lines of the x86 kernel about programs that died.
 * Source: Linux arch/x86/kernel/traps.c (show_signal), arch/x86/mm/fault.c (show_signal_msg),
 * mm/memory.c (print_vma_addr): `NAME[start+size]`, of newer kernels (6.18) with the offset in the
 * file before it: `NAME[offset,start+size]`.
 */
import { addressOf } from "../elf/numbers.ts";
import { mappingOf, siteOf, type CrashSite, type Fault, type Mapping } from "./site.ts";

const HEX = "([0-9a-f]{1,16})";
const IN = ` in (.{1,255}?)\\[(?:${HEX},)?${HEX}\\+${HEX}\\]`;

/** `traps: node[2562] trap invalid opcode ip:257c2dd sp:7fff… error:0 in node[e33000+2489000]`. */
const TRAP = new RegExp(
  `(?:traps: (.{1,64}?)|(?:^|\\s)(\\S{1,64}?))\\[(\\d{1,10})\\] ([a-z][a-zA-Z0-9 ]{1,60}) ` +
    `ip:${HEX} sp:${HEX}(?: ssp:${HEX})? error:${HEX}(?:\\([a-z -]+\\))?(?:${IN})?`,
);

/** `node[2562]: segfault at 0 ip … sp … error 4 in node[…]`. */
const SEGFAULT = new RegExp(
  `(?:^|\\s)(\\S{1,64}?)\\[(\\d{1,10})\\]: segfault at ${HEX} ip ${HEX} sp ${HEX} error ${HEX}(?:${IN})?`,
);

/** `app[77]: undefined instruction: pc=0000aaaad5e00754`, from aarch64 kernels. */
const UNDEFINED = new RegExp(
  `(?:^|\\s)(\\S{1,64}?)\\[(\\d{1,10})\\]: (?:unhandled )?undefined instruction: pc=(?:0x)?${HEX}`,
  "i",
);

export function hex(text: string | undefined): number | undefined {
  return text === undefined ? undefined : addressOf(BigInt(`0x${text}`));
}

const FAULTS: readonly (readonly [RegExp, Fault])[] = [
  [/invalid opcode/, "invalid-opcode"],
  [/int3/, "breakpoint"],
  [/general protection/, "general-protection"],
  [/control protection/, "control-protection"],
];

export function faultOf(words: string): Fault {
  return FAULTS.find(([pattern]) => pattern.test(words))?.[1] ?? "other";
}

function placeOf(parts: readonly (string | undefined)[]): Mapping | undefined {
  const [name, offset, start, size] = parts;
  if (name === undefined) return undefined;
  return mappingOf({ name, start: hex(start), size: hex(size), fileOffset: hex(offset) });
}

/** Bit 3 of a page fault's error code: a page table had a reserved bit set. */
const RESERVED_BIT = 8;

/** What every such line has, to be quick over those that are none. */
const MARK = /\bip[: ]|undefined instruction/i;

export function parseKernelLine(text: string, line: number): CrashSite | undefined {
  if (!MARK.test(text)) return undefined;
  const trap = TRAP.exec(text);
  if (trap !== null) {
    const [, comm, bare, pid, words = "", ip, , , , ...place] = trap;
    return siteOf({
      report: "kernel log",
      fault: faultOf(words),
      words,
      prefix: text.slice(0, trap.index),
      tail: text.slice(trap.index).trim(),
      process: comm ?? bare,
      pid: Number(pid),
      ip: hex(ip),
      mapping: placeOf(place),
      line,
    });
  }
  const segfault = SEGFAULT.exec(text);
  if (segfault !== null) {
    const [, process, pid, at = "", ip, , error = "0", ...place] = segfault;
    const reserved = (Number.parseInt(error, 16) & RESERVED_BIT) !== 0;
    return siteOf({
      report: "kernel log",
      fault: reserved ? "reserved-bit" : "other",
      words: `segfault at 0x${at} error ${error}`,
      process,
      pid: Number(pid),
      ip: hex(ip),
      mapping: placeOf(place),
      line,
    });
  }
  const undefinedInstruction = UNDEFINED.exec(text);
  if (undefinedInstruction === null) return undefined;
  const [, process, pid, ip] = undefinedInstruction;
  return siteOf({
    report: "kernel log",
    arch: "aarch64",
    fault: "invalid-opcode",
    words: "undefined instruction",
    process,
    pid: Number(pid),
    ip: hex(ip),
    line,
  });
}
