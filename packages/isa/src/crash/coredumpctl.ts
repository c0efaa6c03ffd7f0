/**
 * What systemd-coredump writes: `coredumpctl info`, and its lines in the journal.
 * Source: systemd src/coredump/coredumpctl.c (print_info), src/shared/elf-util.c (stack traces).
 */
import { basename } from "node:path";
import { hex } from "./kernel-log.ts";
import { mappingOf, siteOf, type CrashSite, type ReportFormat } from "./site.ts";

const PID = /^\s*PID: (\d{1,10}) \((.{1,64})\)/;
const SIGNAL = /^\s*Signal: (\d{1,2}) \(([A-Z]+)\)/;
const JOURNAL =
  /\bProcess (\d{1,10}) \((.{1,64}?)\) of user \d+ (?:dumped core|terminated abnormally with signal (\d+)\/([A-Z]+))/;
const EXECUTABLE = /^\s*Executable: (\S.{0,400})$/;
/** `#0  0x000000000257c2dd n/a (node + 0x217c2dd)`; a source file may stand in the brackets. */
const FRAME = /#0\s+0x([0-9a-f]{1,16}) (.{1,300}?) \((.{1,300}?)(?: \+ 0x([0-9a-f]{1,16}))?\)/;
const SIGILL = 4;

function signalled(number: string | undefined, name: string | undefined): Partial<CrashSite> {
  if (number === undefined) return {};
  const fault = Number(number) === SIGILL ? "invalid-opcode" : "other";
  return { fault, words: `signal ${number} (SIG${name ?? ""})` };
}

function framed(site: CrashSite, text: string): CrashSite {
  const frame = FRAME.exec(text);
  if (frame === null || site.ip !== undefined) return site;
  const [, ip, symbol, name = "", offset] = frame;
  const mapping =
    offset === undefined ? site.mapping : mappingOf({ name, loadOffset: hex(offset) });
  return { ...site, ip: hex(ip), symbol: symbol === "n/a" ? undefined : symbol, mapping };
}

function coredumpHead(
  text: string,
  line: number,
  current: CrashSite | undefined,
): CrashSite | undefined {
  const head = JOURNAL.exec(text) ?? PID.exec(text);
  if (head === null) return undefined;
  const [, digits, process, signal, name] = head;
  const pid = Number(digits);
  // `coredumpctl info` repeats itself in its message.
  if (current?.pid === pid) return undefined;
  const facts = { report: "coredumpctl", words: "dumped core", process, pid, line };
  return siteOf({ ...facts, ...signalled(signal, name) });
}

function coredumpLine(site: CrashSite, text: string): CrashSite {
  const signal = SIGNAL.exec(text);
  if (signal !== null) return { ...site, ...signalled(signal[1], signal[2]) };
  const executable = EXECUTABLE.exec(text)?.[1];
  if (executable !== undefined)
    return { ...site, mapping: mappingOf({ name: basename(executable) }) };
  return framed(site, text);
}

export const COREDUMPCTL: ReportFormat = { reach: 400, head: coredumpHead, more: coredumpLine };
