/** Pieces of a plan's report. */
import { hexNumber, listOf, type Plan, type WhyNot } from "@evenkeel/core";
import { heading, paragraph, plural } from "./layout.ts";

/** As many names as fit, then how many more there are. */
export function fewOf(names: readonly string[], room: number): string {
  const shown: string[] = [];
  let length = 0;
  for (const name of names) {
    length += name.length + 2;
    if (shown.length > 0 && length > room) break;
    shown.push(name);
  }
  const more = names.length - shown.length;
  return shown.join(", ") + (more > 0 ? ` and ${more} more` : "");
}

export function kernelLines(kernels: readonly string[]): string {
  const lines = kernels.map((k) => /^\d+\.\d+/.exec(k)?.[0] ?? k);
  return [...new Set(lines)].join(", ") || "?";
}

function levelText(value: number): string {
  return value > 0xff ? hexNumber(value) : String(value);
}

type Costs = Pick<Plan, "united" | "levelled" | "masked">;

export function safetySection(plan: Costs): string[] {
  const unitedLines = plan.united.flatMap(({ name, address, title, addedTo }) =>
    paragraph(
      `${name} (${address}, ${title}): shown on ${listOf(addedTo)} too; hiding it would switch ` +
        "off a mitigation.",
      2,
    ),
  );
  const levelLines = plan.levelled.flatMap(({ title, value, classes }) => {
    const from = [...new Set(classes.map((c) => levelText(c.value)))].join(", ");
    return paragraph(`${title}: ${levelText(value)} (classes have ${from})`, 2);
  });
  const maskedLines = plan.masked.flatMap(({ address, classes }) =>
    paragraph(`${address} on ${listOf(classes)}: bits of unknown meaning, hidden`, 2),
  );
  const section = (title: string, lines: readonly string[]) =>
    lines.length === 0 ? [] : ["", heading(title), ...lines];
  return [
    ...section("Set everywhere: vulnerability bits", unitedLines),
    ...section("Lowered to the common minimum", levelLines),
    ...section("Masked", maskedLines),
  ];
}

/** Each reason once, with the moves it rules out. */
function reasonLines({ rule, severity, findings, moves }: WhyNot, indent: number): string[] {
  const names = [...new Set(findings.map(({ name }) => name))];
  const text = `${severity}: ${rule}: ${fewOf(names, NAMES_ROOM)}`;
  const consequences = [...new Set(findings.map(({ consequence }) => consequence))];
  return [
    ...paragraph(text, indent),
    ...consequences.slice(0, 2).flatMap((sentence) => paragraph(sentence, indent + 4)),
    ...moves.flatMap(({ from, to }) =>
      paragraph(`${fewOf(from, MOVES_ROOM)} → ${fewOf(to, MOVES_ROOM)}`, indent + 4),
    ),
  ];
}

const NAMES_ROOM = 240;
const MOVES_ROOM = 160;

/** How many moves between classes were judged, and the result. */
export function movesLine({ judged, barred, accepted }: Plan["moves"]): string[] {
  const except = [
    ...(barred.length > 0 ? ["moves that no template can allow (below)"] : []),
    ...(accepted === undefined ? [] : ["what was accepted (below)"]),
  ];
  const all = judged === 1 ? "it is compatible" : "all are compatible";
  const text = except.length === 0 ? `${all}.` : `${all} except ${listOf(except)}.`;
  return paragraph(`${plural(judged, "move")} between classes judged: ${text}`, 0);
}

/** Moves that a plan's snapshots still cannot make, and what was accepted. */
export function movesSection({ moves }: Pick<Plan, "moves">): string[] {
  const { barred, accepted } = moves;
  const section = (title: string, reasons: readonly WhyNot[]) =>
    reasons.length === 0
      ? []
      : ["", heading(title), ...reasons.flatMap((reason) => reasonLines(reason, 2))];
  return [
    ...section("Moves that no template can allow", barred),
    ...section(`Accepted with --accept ${accepted?.verdict}`, accepted?.reasons ?? []),
  ];
}

/** `template`: where the templates are, if they were written. */
export function nextLines(template: string | undefined): string[] {
  if (template === undefined) return ["  Write the templates: evenkeel plan … --out DIR"];
  return [
    "  Before InstanceStart, give Firecracker the template of the node's class:",
    `    PUT /cpu-config with ${template}`,
    "  Only guests booted from now on have this CPU: take new snapshots.",
  ];
}
