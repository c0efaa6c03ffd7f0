/** A text with crash reports of any kind: one site per report, equal ones counted. */
import { COREDUMPCTL } from "./coredumpctl.ts";
import { parseKernelLine } from "./kernel-log.ts";
import { codeLine, OOPS } from "./oops.ts";
import { parseExitLine, RUNTIMES } from "./runtimes.ts";
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

/** The text's lines without splitting it whole. */
function* linesOf(text: string): Generator<readonly [text: string, line: number]> {
  let line = 1;
  for (let at = 0; at < text.length; line++) {
    const newline = text.indexOf("\n", at);
    const end = newline === -1 ? text.length : newline;
    yield [text.slice(at, Math.min(end, at + LONGEST_LINE)).replace(/\r$/, ""), line];
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
  const formats: Told[] = [OOPS, COREDUMPCTL, RUNTIMES].map((format) => ({ format }));
  for (const [content, line] of linesOf(text)) {
    const site = parseKernelLine(content, line);
    if (site !== undefined) {
      sites.push(site);
      continue;
    }
    if (formats.map((told) => tell(told, sites, content, line)).includes(true)) continue;
    addCode(sites, content, line);
    const exit = sites.length === 0 ? parseExitLine(content, line) : undefined;
    if (exit !== undefined) exits.push(exit);
  }
  return sites.length > 0 ? sites : exits;
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
  const { ring, fault, process, bytes } = site;
  return [ring, fault, process, placeOf(site), bytes?.toString("hex")].join("\n");
}

/** The kernel's line and systemd's about one process are one crash. */
function mergeReports(sites: readonly CrashSite[]): CrashSite[] {
  const kernel = new Map(
    sites.flatMap((site) => (site.report === "kernel log" ? [[site.pid, site] as const] : [])),
  );
  const symbols = new Map<CrashSite, string>();
  const rest = sites.filter((site) => {
    const twin = site.report === "coredumpctl" ? kernel.get(site.pid) : undefined;
    if (twin === undefined || (site.ip !== undefined && site.ip !== twin.ip)) return true;
    if (site.symbol !== undefined) symbols.set(twin, site.symbol);
    return false;
  });
  return rest.map((site) => ({ ...site, symbol: symbols.get(site) ?? site.symbol }));
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
