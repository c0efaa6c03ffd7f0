/**
 * Oopses: the kernel itself died. Several lines tell one: what, which process, where, the bytes.
 * Source: Linux arch/x86/kernel/dumpstack.c (__die_header, show_regs, show_opcodes).
 */
import { parseByteDump } from "./byte-dump.ts";
import { faultOf, hex } from "./kernel-log.ts";
import { siteOf, type CrashSite, type ReportFormat } from "./site.ts";

/** `Oops: invalid opcode: 0000 [#1] SMP`, before 6.10 without `Oops: `. */
const HEAD =
  /(?:^|\s)((?:Oops: )?(invalid opcode|int3|general protection fault)[^:]{0,80}): (?:[0-9a-f]{4} )\[#\d+\]/;
const ARM_HEAD = /Internal error: (Oops - Undefined instruction)/i;
const COMM = /\bPID: (\d{1,10}) Comm: (.{1,32}?)(?: (?:Not tainted|Tainted:|Kdump:)|$)/;
/** The code segment's low bits tell the ring: 0010 is the kernel's. */
const RIP =
  /\bRIP: ([0-9a-f]{4}):(?:(?:0x)?([0-9a-f]{16})\b|\[<([0-9a-f]{16})>\]|([A-Za-z_.$][\w.$]*\+0x[0-9a-f]+)\/0x[0-9a-f]+(?: \[([\w-]+)\])?)/;
const BUG = /kernel BUG at ([^\s!]{1,200})!/;
const CODE = /\bCode: (.*)/;

/** The bytes of a `Code:` line, if it has any. */
export function codeLine(text: string): { bytes: Buffer; marked: boolean } | undefined {
  const dump = CODE.exec(text)?.[1];
  return dump === undefined ? undefined : parseByteDump(dump);
}

function oopsHead(
  text: string,
  line: number,
  current: CrashSite | undefined,
): CrashSite | undefined {
  const kernel = { report: "kernel oops", ring: "kernel", line } as const;
  const bug = BUG.exec(text)?.[1];
  if (bug !== undefined) {
    return siteOf({ ...kernel, fault: "invalid-opcode", words: `kernel BUG at ${bug}` });
  }
  const [, words = "", fault] = HEAD.exec(text) ?? [];
  if (fault !== undefined) {
    // The line after `kernel BUG at …` tells of the same.
    const { words: before = "", ip, symbol } = current ?? {};
    const again = before.startsWith("kernel BUG") && ip === undefined && symbol === undefined;
    return again ? undefined : siteOf({ ...kernel, fault: faultOf(fault), words });
  }
  const arm = ARM_HEAD.exec(text)?.[1];
  if (arm === undefined) return undefined;
  return siteOf({ ...kernel, arch: "aarch64", fault: "invalid-opcode", words: arm });
}

/** What a line adds; the first of each kind counts: a second RIP is the system call's caller. */
function oopsLine(site: CrashSite, text: string): CrashSite {
  const comm = site.process === undefined ? COMM.exec(text) : null;
  if (comm !== null) return { ...site, pid: Number(comm[1]), process: comm[2] };
  const rip = site.ip === undefined && site.symbol === undefined ? RIP.exec(text) : null;
  if (rip !== null) {
    const [, segment = "0", plain, bracketed, symbol, module] = rip;
    return {
      ...site,
      ring: (Number.parseInt(segment, 16) & 3) === 0 ? "kernel" : "user",
      ip: hex(plain ?? bracketed),
      symbol:
        symbol === undefined ? undefined : symbol + (module === undefined ? "" : ` [${module}]`),
    };
  }
  const code = site.bytes === undefined ? codeLine(text) : undefined;
  return code?.marked === true ? { ...site, bytes: code.bytes } : site;
}

export const OOPS: ReportFormat = { reach: 40, head: oopsHead, more: oopsLine };
