/**
 * What language runtimes print when they die of SIGILL.
 * Source: Go runtime/signal_unix.go (sighandler), OpenJDK vmError.cpp.
 */
import { parseByteDump } from "./byte-dump.ts";
import { hex } from "./kernel-log.ts";
import { mappingOf, siteOf, type CrashSite, type ReportFormat } from "./site.ts";

const GO_HEAD = /^\s*SIGILL: illegal instruction/;
const GO_PC = /\bPC=0x([0-9a-f]{1,16})\b.*?(?:sigcode=(-?\d{1,4}))?$/;
const GO_BYTES = /^\s*instruction bytes: (.*)/;
const JVM_HEAD = /#\s+SIGILL \(0x4\) at pc=0x([0-9a-f]{1,16}), pid=(\d{1,10})/;
const JVM_FRAME = /#\s+[CVJj]\s+\[([^\]+]{1,255})\+0x([0-9a-f]{1,16})\]\s*(\S{0,300})/;
const JVM_BYTES = /^\s*0x([0-9a-f]{8,16}):\s+((?:[0-9a-f]{2} ?){1,32})\s*$/;

function runtimeHead(text: string, line: number): CrashSite | undefined {
  const facts = { fault: "invalid-opcode", words: "SIGILL", line } as const;
  if (GO_HEAD.test(text)) return siteOf({ report: "Go runtime", ...facts });
  const jvm = JVM_HEAD.exec(text);
  if (jvm === null) return undefined;
  const process = { process: "java", pid: Number(jvm[2]), ip: hex(jvm[1]) };
  return siteOf({ report: "Java fatal error log", ...facts, ...process });
}

function runtimeLine(site: CrashSite, text: string): CrashSite {
  return site.report === "Go runtime" ? withGoLine(site, text) : withJvmLine(site, text);
}

function withGoLine(site: CrashSite, text: string): CrashSite {
  const pc = site.ip === undefined ? GO_PC.exec(text) : null;
  if (pc !== null) {
    const signalCode = pc[2] === undefined ? undefined : Number(pc[2]);
    return { ...site, ip: hex(pc[1]), signalCode };
  }
  const dump = site.bytes === undefined ? GO_BYTES.exec(text)?.[1] : undefined;
  const bytes = dump === undefined ? undefined : parseByteDump(dump)?.bytes;
  return bytes === undefined ? site : { ...site, bytes };
}

function withJvmLine(site: CrashSite, text: string): CrashSite {
  const frame = site.mapping === undefined ? JVM_FRAME.exec(text) : null;
  if (frame !== null) {
    const [, name = "", offset, symbol] = frame;
    const mapping = mappingOf({ name, loadOffset: hex(offset) });
    return { ...site, symbol: symbol || undefined, mapping };
  }
  const row = JVM_BYTES.exec(text);
  const start = hex(row?.[1]);
  const bytes = parseByteDump(row?.[2] ?? "")?.bytes;
  if (site.ip === undefined || start === undefined || bytes === undefined) return site;
  const before = site.bytes ?? Buffer.alloc(0);
  // Rows follow one another; what the pc points at begins in one of them.
  if (before.length > 0) return { ...site, bytes: Buffer.concat([before, bytes]).subarray(0, 64) };
  const skip = site.ip - start;
  return skip < 0 || skip >= bytes.length ? site : { ...site, bytes: bytes.subarray(skip) };
}

export const RUNTIMES: ReportFormat = { reach: 400, head: runtimeHead, more: runtimeLine };
