/** Scans as a person reads them: a row per file, then what it needs and what that means. */
import type { FeatureUse, FileJudgement, FileScan, Pool, Reason, Scans } from "@evenkeel/isa";
import { OUTCOMES, plainName } from "@evenkeel/isa";
import { heading, labelled, paragraph, plural, table, terminalWidth } from "./layout.ts";

const MIB = 1024 * 1024;

function sizeText(bytes: number): string {
  return bytes >= MIB ? `${(bytes / MIB).toFixed(1)} MiB` : `${Math.ceil(bytes / 1024)} KiB`;
}

/** Doubtful findings are for --details: they are mostly data. */
function believed({ features }: FileScan): FeatureUse[] {
  return features.filter(({ sure }) => sure !== "doubtful");
}

function shorten(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, Math.max(1, width - 1))}…`;
}

/** The end of a path says more than its beginning. */
function shortenPath(path: string, width: number): string {
  return path.length <= width ? path : `…${path.slice(path.length - width + 1)}`;
}

function asksText({ asks }: FileScan): string {
  if (asks.length === 0) return "nothing in it asks the CPU what it has";
  const texts = asks.map(({ kind, what }) => {
    if (kind === "cpuid") return `CPUID in ${what}`;
    if (kind === "ifunc") return `ifuncs (${what})`;
    return kind === "ld.so" ? `chosen by ld.so for ${what}` : what;
  });
  return `asks the CPU: ${texts.join(", ")}`;
}

function declaresText({ declares }: FileScan): string[] {
  const { needed } = declares;
  const last = needed.at(-1);
  return last === undefined || last === "x86-64-v1" ? [] : [`declares that it needs ${last}`];
}

function exampleText({ examples }: FeatureUse): string {
  const [example] = examples;
  if (example === undefined) return "";
  return (example.path ?? [example.name]).map(plainName).join(" → ");
}

function featureTable(features: readonly FeatureUse[]): string[] {
  const rows = features.map((f) => [
    `  ${f.feature}`,
    f.use,
    f.sure,
    String(f.instructions.certain + f.instructions.likely + f.instructions.doubtful),
    String(f.functions),
  ]);
  const head = ["  FEATURE", "USE", "SURE", "TIMES", "FUNCTIONS", "FOR EXAMPLE"];
  const widest = (column: number) => Math.max(...rows.map((row) => row[column]?.length ?? 0));
  const taken = head.slice(0, 5).map((title, i) => Math.max(title.length, widest(i)) + 2);
  const room = Math.max(11, terminalWidth() - taken.reduce((a, b) => a + b, 0));
  return table(
    head,
    rows.map((row, i) => {
      const feature = features[i];
      return [...row, feature === undefined ? "" : shorten(exampleText(feature), room)];
    }),
  );
}

function reasonKey({ outcome, why, lacking }: Reason): string {
  return `${outcome}|${why}|${lacking.join()}`;
}

/** Features that share their outcome and its reason stand together. */
function reasonLines(reasons: readonly Reason[], pool: Pool): string[] {
  const groups = new Map<string, Reason[]>();
  for (const reason of reasons) {
    const key = reasonKey(reason);
    groups.set(key, [...(groups.get(key) ?? []), reason]);
  }
  return [...groups.values()].flatMap((group) => {
    const [first] = group;
    if (first === undefined) return [];
    const names = group.map(({ feature }) => feature).filter((name) => name !== "");
    const where =
      pool.planned || first.lacking.length === 0 ? "" : ` (not on ${first.lacking.join(", ")})`;
    const text = `${names.join(" ")}${names.length > 0 ? ": " : ""}${first.why}${where}`;
    return labelled(first.outcome, text.split(" "), 2, 22);
  });
}

interface Line {
  readonly file: FileScan;
  readonly judgement: FileJudgement | undefined;
}

function fileLines({ file, judgement }: Line, pool: Pool | undefined, details: boolean): string[] {
  const features = details ? file.features : believed(file);
  const facts = [
    file.kind,
    `${sizeText(file.code.bytes)} of code`,
    ...declaresText(file),
    asksText(file),
    ...(file.jit.length === 0 ? [] : [`${file.jit.join(", ")} writes code at run time`]),
  ];
  return [
    "",
    heading(file.name),
    ...paragraph(`${facts.join("; ")}.`, 2),
    ...file.problems.flatMap(({ message }) => paragraph(`damaged: ${message}`, 2)),
    ...(pool === undefined || judgement === undefined ? [] : reasonLines(judgement.reasons, pool)),
    ...(features.length === 0 ? [] : ["", ...featureTable(features)]),
  ];
}

function needsText(file: FileScan, width: number): string {
  const names = believed(file).map(({ feature }) => feature);
  if (names.length === 0) return "nothing beyond x86-64-v1";
  const text = names.join(" ");
  if (text.length <= width) return text;
  const shown = names.filter((_, i) => names.slice(0, i + 1).join(" ").length <= width - 9);
  return `${shown.join(" ")} +${names.length - shown.length}`;
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
  const rows = lines.map(({ file, judgement }) => [
    shortenPath(file.name, nameWidth),
    ...(judged ? [judgement?.outcome ?? ""] : []),
    needsText(file, room),
  ]);
  return table(["FILE", ...(judged ? ["IN THIS POOL"] : []), "CAN USE"], rows);
}

function summary({ files, skipped }: Scans): string {
  if (files.length === 0) return `No machine code was scanned; ${skipped.length} skipped.`;
  const bytes = files.reduce((n, { code }) => n + code.bytes, 0);
  const needing = files.filter((file) => believed(file).length > 0).length;
  const parts = [
    `${plural(files.length, "file")} with ${sizeText(bytes)} of machine code`,
    `${needing} can use more than every x86-64 CPU has`,
  ];
  return `${parts.join("; ")}${skipped.length > 0 ? `; ${skipped.length} skipped` : ""}.`;
}

function skippedLines({ skipped }: Scans, details: boolean): string[] {
  if (skipped.length === 0) return [];
  const shown = details ? skipped : skipped.slice(0, 5);
  const more = skipped.length - shown.length;
  return [
    "",
    heading("Skipped"),
    ...shown.flatMap(({ name, reason }) => paragraph(`${name}: ${reason}`, 2)),
    ...(more > 0 ? [`  … and ${more} more (--details)`] : []),
  ];
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
    ...paragraph(summary(scans), 0),
    ...(listed.length > 1 ? ["", ...verdictTable(listed, judgements !== undefined)] : []),
    ...inFull(listed, details).flatMap((line) => fileLines(line, pool, details)),
    ...skippedLines(scans, details),
    "",
  ].join("\n");
}
