/** A text with crash reports of any kind: one site per report, equal ones counted. */
import { COREDUMPCTL } from "./coredumpctl.ts";
import { parseKernelLine } from "./kernel-log.ts";
import { printable } from "../image/entry.ts";
import { codeLine, OOPS } from "./oops.ts";
import { parseExitLine } from "./exits.ts";
import { GDB } from "./gdb.ts";
import { REFUSED } from "./refusals.ts";
import { RUNTIMES } from "./runtimes.ts";
import type { CrashSite, ReportFormat } from "./site.ts";

/** Sites that are the same crash again. */
export interface CrashGroup {
  readonly site: CrashSite;
  readonly count: number;
  readonly pids: readonly number[];
  /** Line of the last report, from 1. */
  readonly lastLine: number | undefined;
}

/** Kernels and journals cut their lines far below. */
const LONGEST_LINE = 8192;
/** A fleet's log may have thousands of pids; these are enough to look them up. */
const SHOWN_PIDS = 20;
/** A `Code:` line belongs to the report at most this many lines above it. */
const CODE_REACH = 3;

// oxlint-disable-next-line no-control-regex -- escape sequences are what is looked for
const COLORS = /\u001b\[[0-9;]{0,16}[mK]/g;

/** Colors taken off; what else would steer a terminal is shown, as logs are anybody's words. */
function plainLine(text: string): string {
  return printable(text.replace(/\r$/, "").replaceAll(COLORS, "").replaceAll("\t", " "));
}

/** The text's lines without splitting it whole. */
function* linesOf(text: string): Generator<readonly [text: string, line: number]> {
  let line = 1;
  for (let at = 0; at < text.length; line++) {
    const newline = text.indexOf("\n", at);
    const end = newline === -1 ? text.length : newline;
    yield [plainLine(text.slice(at, Math.min(end, at + LONGEST_LINE))), line];
    at = end + 1;
  }
}

/** Where the site is that a format is telling about. */
interface Told {
  readonly format: ReportFormat;
  index?: number;
  since?: number;
}

function tell(told: Told, sites: CrashSite[], text: string, line: number): boolean {
  const { format, index, since = 0 } = told;
  const current = index === undefined || line - since > format.reach ? undefined : sites[index];
  const head = format.head(text, line, current);
  if (head !== undefined) {
    [told.index, told.since] = [sites.length, line];
    sites.push(head);
    return true;
  }
  if (current === undefined || index === undefined) return false;
  const now = format.more(current, text);
  sites[index] = now;
  return now !== current;
}

/** All sites of a text in the order of their lines, with what other lines add to them. */
export function readSites(text: string): CrashSite[] {
  const sites: CrashSite[] = [];
  const exits: CrashSite[] = [];
  const formats: Told[] = [OOPS, COREDUMPCTL, RUNTIMES, GDB, REFUSED].map((format) => ({ format }));
  for (const [content, line] of linesOf(text)) {
    const site = parseKernelLine(content, line);
    if (site !== undefined) {
      sites.push(site);
      continue;
    }
    if (formats.map((told) => tell(told, sites, content, line)).includes(true)) continue;
    addCode(sites, content, line);
    const told = sites.some(({ fault }) => fault !== "refused");
    const exit = told ? undefined : parseExitLine(content, line);
    if (exit !== undefined) exits.push(exit);
  }
  return sites.some(({ fault }) => fault !== "refused") ? sites : [...sites, ...oneExit(exits)];
}

/** A shell, a supervisor and a pod may all tell of one death: what they say adds nothing. */
function oneExit(exits: readonly CrashSite[]): CrashSite[] {
  const [first] = exits;
  if (first === undefined) return [];
  const named = exits.find(({ process }) => process !== undefined);
  return [{ ...first, process: named?.process, pid: named?.pid }];
}

/** Kernels print the bytes of some crashes of programs on the next line. */
function addCode(sites: CrashSite[], content: string, line: number): void {
  const last = sites.at(-1);
  if (last?.report !== "kernel log" || last.bytes !== undefined) return;
  if (last.line === undefined || line - last.line > CODE_REACH) return;
  const code = codeLine(content);
  if (code?.marked === true) sites[sites.length - 1] = { ...last, bytes: code.bytes };
}

/** Where in its file a site is, as far as it is the same for every process. */
function placeOf({ mapping, ip, symbol }: CrashSite): string {
  const { name, fileOffset, loadOffset, start } = mapping ?? {};
  if (fileOffset !== undefined) return `${name}:f${fileOffset}`;
  if (loadOffset !== undefined) return `${name}:l${loadOffset}`;
  if (start !== undefined && ip !== undefined) return `${name}:m${ip - start}`;
  return `${name}:${symbol ?? ip}`;
}

function keyOf(site: CrashSite): string {
  const { ring, fault, process, bytes, words } = site;
  const said = fault === "refused" ? words : "";
  return [ring, fault, said, process, placeOf(site), bytes?.toString("hex")].join("\n");
}

/** A line without what differs from one of its kind to the next. */
function shapeOf({ prefix = "" }: CrashSite): string {
  return prefix.replaceAll(/\d+/g, "0").replaceAll(/[A-Z][a-z]{2}\b/g, "X");
}

/**
 * Whether a kernel's line is another one again: the same text from dmesg and from the journal, or
 * twice from the same. Clones of a snapshot die alike, but at their own times.
 */
function isEcho(one: CrashSite, other: CrashSite): boolean {
  const same = one.pid === other.pid && one.ip === other.ip && one.tail === other.tail;
  return same && (one.prefix === other.prefix || shapeOf(one) !== shapeOf(other));
}

/** Reports of different kinds tell of one crash where the place is the same and no pid differs. */
function isTwin(one: CrashSite, other: CrashSite): boolean {
  if (one.report === other.report) return false;
  // systemd's line in the journal does not name the signal.
  const unnamed = [one, other].some((s) => s.report === "coredumpctl" && s.fault === "other");
  if (one.fault !== other.fault && !unnamed) return false;
  if (one.pid !== undefined && other.pid !== undefined && one.pid !== other.pid) return false;
  return one.ip === undefined || other.ip === undefined
    ? one.pid !== undefined && one.pid === other.pid
    : one.ip === other.ip;
}

/** What one report knows and the other does not. */
function united(one: CrashSite, other: CrashSite): CrashSite {
  const { symbol, bytes, process, pid, mapping, signalCode, assembly } = other;
  return {
    ...one,
    symbol: one.symbol ?? symbol,
    bytes: one.bytes ?? bytes,
    process: one.process ?? process,
    pid: one.pid ?? pid,
    mapping: one.mapping ?? mapping,
    signalCode: one.signalCode ?? signalCode,
    ...(one.assembly === undefined && assembly !== undefined ? { assembly } : {}),
  };
}

/** The kernel's line is the most exact: others are added to it. */
function mergeReports(sites: readonly CrashSite[]): CrashSite[] {
  const isKernel = ({ report }: CrashSite) => report === "kernel log";
  const merged: CrashSite[] = [];
  const byPlace = new Map<string, number[]>();
  const others = sites.filter((site) => !isKernel(site));
  for (const site of [...sites.filter(isKernel), ...others]) {
    const keys = [`ip ${site.ip}`, `pid ${site.pid}`];
    const near = [...new Set(keys.flatMap((key) => byPlace.get(key) ?? []))];
    const at = near.find((i) => {
      const other = merged[i];
      return other !== undefined && (isKernel(site) ? isEcho(site, other) : isTwin(site, other));
    });
    const twin = at === undefined ? undefined : merged[at];
    if (at !== undefined && twin !== undefined) merged[at] = united(twin, site);
    else {
      for (const key of keys)
        byPlace.set(key, [...(byPlace.get(key) ?? []).slice(-8), merged.length]);
      merged.push(site);
    }
  }
  return merged.toSorted((a, b) => (a.line ?? 0) - (b.line ?? 0));
}

/** Groups of equal crashes, the most frequent first, else the earliest. */
export function groupSites(sites: readonly CrashSite[]): CrashGroup[] {
  const groups = new Map<
    string,
    { site: CrashSite; count: number; pids: Set<number>; last?: number }
  >();
  for (const site of mergeReports(sites)) {
    const key = keyOf(site);
    const group = groups.get(key) ?? { site, count: 0, pids: new Set() };
    groups.set(key, group);
    group.count += 1;
    if (site.pid !== undefined && group.pids.size < SHOWN_PIDS) group.pids.add(site.pid);
    if (site.line !== undefined) group.last = site.line;
  }
  return [...groups.values()]
    .map(({ site, count, pids, last }) => ({ site, count, pids: [...pids], lastLine: last }))
    .toSorted((a, b) => b.count - a.count);
}
