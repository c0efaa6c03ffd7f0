/** A run of the lab as a person reads it: a grid of moves per pool, why guests died, the figures. */
import { decodeSignature, formatFms, modelName, vendorOfCpu, signatureOf } from "@evenkeel/core";
import {
  figuresOf,
  isAsPredicted,
  type Died,
  type LabGrid,
  type LabPair,
  type LabResult,
} from "@evenkeel/lab";
import pc from "picocolors";
import { heading, paragraph, plural, table } from "./layout.ts";

type Node = LabResult["nodes"][number];

function cpuText({ cpuid }: Node): string {
  const signature = decodeSignature(signatureOf(cpuid) ?? 0);
  const vendor = vendorOfCpu(cpuid);
  const name = vendor === undefined ? "unknown" : modelName(vendor, signature);
  return `${name} ${formatFms(signature)}`;
}

function nodeTable(nodes: readonly Node[]): string[] {
  const rows = nodes.map((node, i) => [
    String(i + 1),
    node.cpu,
    cpuText(node),
    String(node.executes.length),
  ]);
  return table(["", "NODE", "SEEN FROM INSIDE", "INSTRUCTIONS TRIED"], rows);
}

/** What killed it, in a word. */
function killer({ features, kind }: Died): string {
  return features[0] ?? kind.replaceAll("-", " ");
}

/** All rounds of one move: the fewest ticks that it lived, or what killed it first. */
function cellText(pairs: readonly LabPair[], unit: string): string {
  if (pairs.length === 0) return pc.dim("·");
  const deaths = pairs.flatMap(({ outcome }) => (outcome.kind === "survived" ? [] : [outcome]));
  const [first] = deaths;
  const often = pairs.length > 1 ? ` ${deaths.length}/${pairs.length}` : "";
  if (first !== undefined) return pc.red(`died: ${killer(first)}${often}`);
  return pc.green(plural(Math.min(...pairs.map(({ outcome }) => outcome.ticks)), unit));
}

function movesOf(pairs: readonly LabPair[], from: Node, to: Node): LabPair[] {
  return pairs.filter((pair) => pair.from === from.name && pair.to === to.name);
}

/** Nodes between which snapshots move: those of one vendor. */
function groupsOf({ pairs }: LabGrid, nodes: readonly Node[]): Node[][] {
  const groups: Node[][] = [];
  for (const node of nodes) {
    const own = groups.find((group) =>
      group.some((other) => movesOf(pairs, node, other).length > 0),
    );
    if (own === undefined) groups.push([node]);
    else own.push(node);
  }
  return groups.filter(({ length }) => length > 1);
}

function gridTable({ pairs }: LabGrid, nodes: readonly Node[], unit: string): string[] {
  const rows = nodes.map((from, i) => [
    String(i + 1),
    from.name,
    ...nodes.map((to) => cellText(movesOf(pairs, from, to), unit)),
  ]);
  return table(["", "FROM \\ TO", ...nodes.map((_, i) => String(i + 1))], rows);
}

const HOW: Readonly<Record<Died["kind"], string>> = {
  "illegal-instruction": "illegal instruction",
  fault: "fault",
  "wrong-result": "wrong result",
  stuck: "faults forever",
  "load-refused": "the snapshot did not load",
  silent: "silent",
  ended: "ended",
};

function deathText(died: Died): string {
  const { kind, instruction, bytes, address, message, features } = died;
  const where = died.in === undefined ? "" : ` in the ${died.in}`;
  if (instruction === undefined) return `${HOW[kind]}${where}: ${message}`;
  const at = `${instruction} [${bytes ?? ""}] at ${address ?? "?"}`;
  const needs = features.length > 0 ? `, needs ${features.join(", ")}` : "";
  return `${HOW[kind]}${where}: ${at}${needs}${kind === "wrong-result" ? ` (${message})` : ""}`;
}

/** A sentence per move that needs explaining; rounds that end the same way appear once. */
function moveLines({ pairs }: LabGrid): string[] {
  const lines = pairs.flatMap(({ from, to, verdict, outcome, assessment }) => {
    if (outcome.kind === "survived") {
      if (assessment.why === "") return [];
      return [`${from} → ${to}: lives; ${assessment.right ? "" : "WRONG: "}${assessment.why}.`];
    }
    const said = `judged ${verdict}: ${assessment.right ? "" : "WRONG: "}${assessment.why}`;
    return [`${from} → ${to}: ${deathText(outcome)}; ${said}.`];
  });
  // Addresses differ from boot to boot; the first of a kind stands for the rest.
  const kinds = new Map(lines.map((line) => [line.replaceAll(/0x[0-9a-f]+/g, ""), line]));
  return [...kinds.values()].flatMap((line) => paragraph(line, 2));
}

function insideLines({ boots, pairs }: LabGrid): string[] {
  const views = [...boots, ...pairs].flatMap(({ inside }) => inside ?? []);
  if (views.length === 0) return [];
  const registers = views.reduce((sum, view) => sum + view.registers, 0);
  const unlike = views.flatMap(({ differences }) => differences);
  const expected = new Set(views.flatMap((view) => view.expected.map(({ address }) => address)));
  const known = [...expected].join(", ");
  const all = known === "" ? "all as planned" : `all as planned except ${known}`;
  const verdict = unlike.length === 0 ? all : pc.red("NOT as planned");
  const details = new Set(
    unlike.map(({ address, planned, actual }) => `${address}: ${actual} instead of ${planned}`),
  );
  return [
    ...paragraph(
      `${plural(views.length, "guest")} read from inside against the planned CPU, ` +
        `${registers} registers compared bit for bit: ${verdict}.`,
      2,
    ),
    ...[...details].flatMap((line) => paragraph(line, 4)),
    ...(known === "" ? [] : paragraph("(Expected: QEMU has no switch for it.)", 2)),
  ];
}

function titleOf(pool: string): string {
  if (pool === "none") return "Without a plan";
  return pool === "plan" ? "With the plan" : `With ${pool}`;
}

function gridLines(grid: LabGrid, nodes: readonly Node[], unit: string): string[] {
  const { survived, pairs } = figuresOf(grid.pairs);
  const refused = grid.refusals.flatMap(({ message }) => paragraph(`No plan: ${message}.`, 2));
  return [
    heading(`${titleOf(grid.pool)}: ${survived} of ${pairs} moves survive`),
    ...groupsOf(grid, nodes).flatMap((group) => ["", ...gridTable(grid, group, unit)]),
    ...[moveLines(grid), insideLines(grid), refused].flatMap((lines) =>
      lines.length === 0 ? [] : ["", ...lines],
    ),
    "",
  ];
}

function figureLines(result: LabResult): string[] {
  const figures = figuresOf(result.grids.flatMap(({ pairs }) => pairs));
  const { saidCompatible, compatibleDied, died, foretold, wrong } = figures;
  const right = isAsPredicted(result);
  return [
    heading("Verdict and reality"),
    `  judged compatible: ${saidCompatible}, of which died: ${compatibleDied}`,
    `  died: ${died}, of which predicted with the right cause: ${foretold}`,
    `  wrong predictions: ${wrong}`,
    "",
    heading(right ? "Every prediction was right." : "A prediction was WRONG."),
  ];
}

export function labReport(result: LabResult): string {
  const { qemu, kernel, guest, nodes, grids, seconds } = result;
  // Of another image than the canary only its lines can be counted.
  const unit = guest === "canary" ? "tick" : "line";
  return [
    heading(`QEMU ${qemu}, emulation; Linux ${kernel}; guest: ${guest}; ${seconds.toFixed(0)} s`),
    "",
    ...nodeTable(nodes),
    "",
    ...grids.flatMap((grid) => gridLines(grid, nodes, unit)),
    ...figureLines(result),
    "",
  ].join("\n");
}
