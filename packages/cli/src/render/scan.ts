/** Scans as a person reads them: a row per file, those that need attention, and what to do. */
import { levelOf } from "@evenkeel/core";
import { OUTCOMES, type FileJudgement, type FileScan, type Outcome } from "@evenkeel/isa";
import type { Pool, Scans, Skipped } from "@evenkeel/isa";
import { heading, paragraph, plural, table, terminalWidth } from "./layout.ts";
import { believed, fileLines, sizeText, type Line } from "./scan-file.ts";

/** The end of a path says more than its beginning. */
function shortenPath(path: string, width: number): string {
  return path.length <= width ? path : `…${path.slice(path.length - width + 1)}`;
}

/** As many names as there is room for, and how many more. */
function fit(names: readonly string[], width: number): string {
  const text = names.join(" ");
  if (text.length <= width) return text;
  const shown = names.filter((_, i) => names.slice(0, i + 1).join(" ").length <= width - 4);
  return `${shown.join(" ")} +${names.length - shown.length}`;
}

/** The features behind the outcome, or all that the file can use. */
function namesOf({ file, judgement }: Line): string[] {
  if (judgement === undefined) return believed(file).map(({ feature }) => feature);
  const worst = judgement.reasons.filter(({ outcome }) => outcome === judgement.outcome);
  return worst.map(({ feature, why }) => (feature === "" ? (why.split(" ")[0] ?? "") : feature));
}

/** What needs attention first; without a pool, in the order of names. */
function ordered(files: readonly FileScan[], judgements: readonly FileJudgement[] | undefined) {
  const lines = files.map((file, i): Line => ({ file, judgement: judgements?.[i] }));
  const rank = ({ judgement }: Line) => OUTCOMES.indexOf(judgement?.outcome ?? "fine");
  return lines.toSorted((a, b) => rank(b) - rank(a));
}

function verdictTable(lines: readonly Line[], judged: boolean): string[] {
  const width = terminalWidth();
  const nameWidth = Math.min(
    Math.floor(width * 0.5),
    Math.max(4, ...lines.map(({ file }) => file.name.length)),
  );
  const room = width - nameWidth - 2 - (judged ? 20 : 0);
  const rows = lines.map((line) => [
    shortenPath(line.file.name, nameWidth),
    ...(judged ? [line.judgement?.outcome ?? ""] : []),
    fit(namesOf(line), room),
  ]);
  const head = judged ? ["IN THIS POOL", "BECAUSE OF"] : ["CAN USE"];
  return table(["FILE", ...head], rows);
}

/** Never 100% while anything is left: what was not read is not known to be fine. */
function shareText(bytes: number, unread: number): string {
  if (unread === 0 || bytes === 0) return "all";
  const percent = ((bytes - unread) / bytes) * 100;
  return `${Math.min(percent, 99.9).toFixed(1)}%`;
}

function asideText({ skipped }: Scans): string {
  return skipped.length > 0 ? `; ${skipped.length} set aside` : "";
}

function summary(scans: Scans): string {
  const { files } = scans;
  if (files.length === 0) return `No machine code was found${asideText(scans)}.`;
  const bytes = files.reduce((n, { code }) => n + code.bytes, 0);
  const unread = files.reduce((n, { code }) => n + code.unread, 0);
  const needing = files.filter((file) => believed(file).length > 0).length;
  const parts = [
    `${plural(files.length, "file")} with ${sizeText(bytes)} of machine code, ${shareText(bytes, unread)} of it read`,
    `${needing} can use more than the x86-64 baseline`,
  ];
  return `${parts.join("; ")}${asideText(scans)}.`;
}

const ADVICE: Readonly<Partial<Record<Outcome, string>>> = {
  "frozen at snapshot":
    "Frozen: plan the pool (evenkeel plan) and take snapshots with its templates; programs that " +
    "check at startup then see only what every node has.",
  "may die":
    "May die: follow the calls shown. If nothing checks the CPU on the way, treat it as a file " +
    "that will die.",
  unknown: "Unknown: scan an unstripped build, so that all of its code can be found.",
};

/** What all members have, as a level that compilers know. */
function commonLevel({ members }: Pool): string {
  const [first, ...others] = members;
  const common = [...(first?.features ?? [])].filter((name) =>
    others.every(({ features }) => features.has(name)),
  );
  return levelOf(new Set(common));
}

function adviceLines(judgements: readonly FileJudgement[], pool: Pool): string[] {
  const outcomes = new Set(
    judgements.flatMap(({ reasons }) => reasons.map(({ outcome }) => outcome)),
  );
  const dies =
    `Will die: build these files for ${commonLevel(pool)} (-march), which this pool has, or keep ` +
    "them off it.";
  const lines = [
    ...(outcomes.has("will die") ? [dies] : []),
    ...OUTCOMES.toReversed().flatMap((outcome) =>
      outcomes.has(outcome) ? (ADVICE[outcome] ?? []) : [],
    ),
  ];
  if (lines.length === 0) return [];
  return ["", heading("What to do"), ...lines.flatMap((line) => paragraph(line, 2))];
}

function asideLines(title: string, files: readonly Skipped[], details: boolean): string[] {
  if (files.length === 0) return [];
  const shown = details ? files : files.slice(0, 5);
  const more = files.length - shown.length;
  return [
    "",
    heading(title),
    ...shown.flatMap(({ name, reason }) => paragraph(`${name}: ${reason}`, 2)),
    ...(more > 0 ? [`  … and ${more} more (--details)`] : []),
  ];
}

/** First of all: without it, what follows would look like the whole answer. */
function unreadLines({ unread }: Scans): string[] {
  if (unread.length === 0) return [];
  const what = unread.length === 1 ? "1 thing was" : `${unread.length} things were`;
  return paragraph(`Unknown: ${what} not read, or not completely.`, 0);
}

/** Files shown in full without being asked for. */
const IN_FULL = 5;

function inFull(lines: readonly Line[], details: boolean): readonly Line[] {
  if (details || lines.length === 1) return lines;
  const bad = lines.filter(
    ({ judgement }) =>
      judgement !== undefined && !["fine", "loses speed"].includes(judgement.outcome),
  );
  return bad.slice(0, IN_FULL);
}

export function scanReport(
  scans: Scans,
  pool: Pool | undefined,
  judgements: readonly FileJudgement[] | undefined,
  details: boolean,
): string {
  const lines = ordered(scans.files, judgements);
  const listed = lines.filter(
    ({ file, judgement }) =>
      details || believed(file).length > 0 || (judgement?.reasons.length ?? 0) > 0,
  );
  return [
    ...unreadLines(scans),
    ...paragraph(summary(scans), 0),
    ...asideLines("Not read", scans.unread, details),
    ...(listed.length > 1 ? ["", ...verdictTable(listed, judgements !== undefined)] : []),
    ...inFull(listed, details).flatMap((line) => fileLines(line, pool, details)),
    ...asideLines("Set aside", scans.skipped, details),
    ...(pool === undefined || judgements === undefined ? [] : adviceLines(judgements, pool)),
    "",
  ].join("\n");
}
