/** One scanned file as a person reads it: facts, what they mean in the pool, features. */
import { plainName, printable, type FeatureUse, type FileJudgement } from "@evenkeel/isa";
import type { FileScan, Pool, Reason } from "@evenkeel/isa";
import { heading, labelled, paragraph, table, terminalWidth } from "./layout.ts";

const MIB = 1024 * 1024;

export function sizeText(bytes: number): string {
  return bytes >= MIB ? `${(bytes / MIB).toFixed(1)} MiB` : `${Math.ceil(bytes / 1024)} KiB`;
}

/** Doubtful findings are shown only where a member lacks them, or with --details: mostly data. */
export function believed({ features }: FileScan): FeatureUse[] {
  return features.filter(({ sure }) => sure !== "doubtful");
}

function shorten(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, Math.max(1, width - 1))}…`;
}

function asksText({ asks }: FileScan): string {
  if (asks.length === 0) return "nothing in it checks CPU features";
  const texts = asks.map(({ kind, what }) => {
    if (kind === "cpuid") return `CPUID in ${what}`;
    if (kind === "ifunc") return `ifuncs (${what})`;
    return kind === "ld.so" ? `chosen by ld.so for ${what}` : what;
  });
  return `checks the CPU: ${texts.join(", ")}`;
}

function declaresText({ declares }: FileScan): string[] {
  const { needed } = declares;
  const last = needed.at(-1);
  return last === undefined || last === "x86-64-v1" ? [] : [`declares that it needs ${last}`];
}

/** Reported even if it is little: what was not read is not known to be fine. */
function codeText({ code }: FileScan): string {
  const size = `${sizeText(code.bytes)} of code`;
  return code.unread === 0 ? size : `${size}, ${sizeText(code.unread)} of it not read`;
}

function exampleText({ examples }: FeatureUse): string {
  const [example] = examples;
  if (example === undefined) return "";
  // Symbols are the file's, and may be hostile.
  return printable((example.path ?? [example.name]).map(plainName).join(" → "));
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

/** More names than this say less than their number. */
const NODES_SHOWN = 4;

function whereText({ lacking }: Reason, { planned, members }: Pool): string {
  if (planned || lacking.length === 0) return "";
  if (lacking.length === members.length) return " (on no node)";
  const shown = lacking.slice(0, NODES_SHOWN).join(", ");
  const more = lacking.length - NODES_SHOWN;
  return ` (not on ${shown}${more > 0 ? ` and ${more} more` : ""})`;
}

/** Features with the same outcome and reason are grouped. */
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
    const where = names.length === 0 ? "" : whereText(first, pool);
    const text = `${names.join(" ")}${names.length > 0 ? ": " : ""}${first.why}${where}`;
    return labelled(first.outcome, text.split(" "), 2, 22);
  });
}

export interface Line {
  readonly file: FileScan;
  readonly judgement: FileJudgement | undefined;
}

/** In a pool, those that matter there. */
function shownFeatures(
  file: FileScan,
  judgement: FileJudgement | undefined,
  details: boolean,
): readonly FeatureUse[] {
  if (details) return file.features;
  if (judgement === undefined) return believed(file);
  const names = new Set(judgement.reasons.map(({ feature }) => feature));
  return file.features.filter(({ feature }) => names.has(feature));
}

export function fileLines(
  { file, judgement }: Line,
  pool: Pool | undefined,
  details: boolean,
): string[] {
  const features = shownFeatures(file, judgement, details);
  const facts = [
    file.kind,
    codeText(file),
    ...declaresText(file),
    asksText(file),
    ...(file.jit.length === 0 ? [] : [`${file.jit.join(", ")} generates code at run time`]),
  ];
  return [
    "",
    heading(file.name),
    ...paragraph(`${facts.join("; ")}.`, 2),
    ...file.problems.flatMap(({ message }) => paragraph(`damaged: ${printable(message)}`, 2)),
    ...(pool === undefined || judgement === undefined ? [] : reasonLines(judgement.reasons, pool)),
    ...(features.length === 0 ? [] : ["", ...featureTable(features)]),
  ];
}
