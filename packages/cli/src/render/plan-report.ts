/** The plan for people: classes, guest CPU, costs, safety, what to do next. */
import { join } from "node:path";
import {
  compareStaticTemplates,
  fieldInfo,
  formatFms,
  formatLines,
  listOf,
  type CpuType,
  type GivenUp,
  type Plan,
  type PlannedClass,
  type Reason,
} from "@evenkeel/core";
import { bar, heading, labelled, paragraph, plural, table, terminalWidth } from "./layout.ts";
import { featureLines } from "./features.ts";
import {
  fewOf,
  kernelLines,
  movesLine,
  movesSection,
  nextLines,
  safetySection,
} from "./plan-parts.ts";

/** What a report says of a plan for CPUs of one type. */
interface Parts {
  /** How the templates were verified, after the number of registers. */
  readonly proof: (plan: Plan) => string;
  /** Columns of the table of classes between the id and the kernel. */
  readonly columns: readonly (readonly [head: string, text: (c: PlannedClass) => string])[];
  readonly guest: (plan: Plan) => string[];
  readonly givenUp: (given: GivenUp) => string;
  readonly residuals: (plan: Plan) => string[];
}

function modelOf({ nodeClass }: PlannedClass): string {
  return nodeClass.model.name;
}

function fmsOf({ nodeClass: { model } }: PlannedClass): string {
  return model.signature === undefined ? "" : formatFms(model.signature);
}

function x86Guest({ guest, identity, level }: Plan): string[] {
  const fields = guest.features.map((name) => fieldInfo(name));
  const listed = fields.filter(({ readBy }) => readBy === "user");
  const model =
    identity === undefined
      ? "each class keeps its own model"
      : `${identity.name} (${formatFms(identity)}): ${identity.reason}`;
  const more = `${fields.length - listed.length} more (evenkeel show plan.json)`;
  return [
    heading(`Guest CPU: ${level}, ${plural(fields.length, "feature")}`),
    ...labelled("model", model.split(" "), 2, 24),
    ...featureLines(listed, 2),
    ...labelled("for kernels", [more], 2, 24),
  ];
}

const X86: Parts = {
  proof: ({ firecracker }) => `Verified by simulation for Firecracker ${formatLines(firecracker)}`,
  columns: [
    ["MODEL", modelOf],
    ["F/M/S", fmsOf],
  ],
  guest: x86Guest,
  givenUp: (given) => {
    const reason = reasonText(given);
    return reason === undefined ? given.name : `${given.name} (${reason})`;
  },
  residuals: ({ residuals }) => {
    const titles = residuals.map(({ address, what }) => `${what} (${address})`);
    return paragraph(`${titles.join("; ")}.`, 2);
  },
};

const AARCH64: Parts = {
  proof: ({ firecracker }) =>
    `Verified by applying each template (Firecracker ${formatLines(firecracker)})`,
  columns: [["MODEL", modelOf]],
  guest: ({ guest: { features } }) => [
    heading(`Guest CPU: ${plural(features.length, "feature")} (AArch64)`),
    ...paragraph(features.join(" "), 2),
  ],
  /** `SHA3`, `SHA2 2→1` where something is left, and what it went along with. */
  givenUp: ({ name, from, to, reason }) => {
    const text = to === 0 ? name : `${name} ${from}→${to}`;
    return reason.kind === "unused" ? `${text} (needs ${reason.by.join(" or ")})` : text;
  },
  residuals: ({ residuals }) =>
    residuals.flatMap(({ address, what, groups }) =>
      paragraph(`${what} (${address}): ${groups.map(listOf).join(" / ")}`, 2),
    ),
};

const PARTS: Readonly<Record<CpuType, Parts>> = { intel: X86, amd: X86, aarch64: AARCH64 };

function summary(plan: Plan): string[] {
  const { classes, proof, moves, type } = plan;
  const nodes = classes.reduce((sum, { nodeClass }) => sum + nodeClass.nodes.length, 0);
  const templates = new Set(classes.map(({ file }) => file)).size;
  const text =
    `${plural(nodes, "node")} in ${plural(classes.length, "class")}: one guest CPU from ` +
    `${plural(templates, "template")}.`;
  const compared = `${proof.registers} registers compared, no differences.`;
  const proven = `${PARTS[type].proof(plan)}: ${compared}`;
  const rest = type === "aarch64" ? " What KVM lets a template write is in the warnings." : "";
  return [heading(text), ...paragraph(`${proven}${rest}`, 0), ...movesLine(moves)];
}

function classTable({ classes, type }: Plan): string[] {
  const { columns } = PARTS[type];
  const head = ["CLASS", ...columns.map(([title]) => title), "KERNEL", "COUNT", "NODES"];
  const rows = classes.map((planned) => [
    planned.nodeClass.id,
    ...columns.map(([, text]) => text(planned)),
    kernelLines(planned.nodeClass.kernels),
    String(planned.nodeClass.nodes.length),
  ]);
  const [, ...lines] = table(head, rows);
  const used = Math.max(...lines.map((line) => line.length)) + 2;
  const room = Math.max(24, terminalWidth() - used - 14);
  return table(
    head,
    rows.map((row, i) => [...row, fewOf(classes[i]?.nodeClass.nodes ?? [], room)]),
  );
}

function reasonText({ reason }: GivenUp): string | undefined {
  const texts: { [K in Reason["kind"]]: (r: Extract<Reason, { kind: K }>) => string | undefined } =
    {
      absent: () => undefined,
      forbidden: () => "on purpose",
      requires: (r) => `needs ${r.feature}`,
      unused: (r) => `serves only ${listOf(r.by)}`,
      layout: (r) => `${r.field} differs`,
      hidden: (r) => `hidden by ${r.level}`,
      unverifiable: () => "no profile says what nested guests can do",
    };
  return texts[reason.kind](reason as never);
}

/** Two classes are easy to compare; for more, bars show which give up most. */
const BARS_FROM = 3;
const BAR = 24;

function costBars({ classes }: Plan): string[] {
  const most = Math.max(...classes.map(({ givesUp }) => givesUp.length));
  if (classes.length < BARS_FROM || most === 0) return [];
  const rows = classes.map(({ nodeClass, givesUp }) => [
    `  ${nodeClass.id}`,
    String(givesUp.length),
    bar(givesUp.length, most, BAR),
  ]);
  return [...table(["  CLASS", "GIVES UP", ""], rows), ""];
}

/** Classes that give up the same features are grouped. */
function costSections({ classes, type }: Plan): string[] {
  const groups = new Map<string, PlannedClass[]>();
  for (const planned of classes) {
    const key = planned.givesUp.map(({ name, from, to }) => `${name} ${from} ${to}`).join();
    groups.set(key, [...(groups.get(key) ?? []), planned]);
  }
  return [...groups.values()].flatMap((members) => {
    const first = members[0];
    const ids = members.map(({ nodeClass }) => nodeClass.id);
    if (first === undefined) return [];
    if (first.givesUp.length === 0) return [`  ${listOf(ids)}: nothing`];
    const items = first.givesUp.map((item) => ({
      group: item.group,
      name: PARTS[type].givenUp(item),
    }));
    const count = plural(first.givesUp.length, "feature");
    return [...paragraph(`${listOf(ids)}: ${count}`, 2), ...featureLines(items, 4)];
  });
}

function residualSection(plan: Plan): string[] {
  if (plan.residuals.length === 0) return [];
  return ["", heading("Still differs between nodes"), ...PARTS[plan.type].residuals(plan)];
}

function comparisonLine(plan: Plan): string[] {
  if (plan.classes.length < 2) return [];
  const best = compareStaticTemplates(plan)[0];
  if (best === undefined) return [];
  const { name, losesMore } = best;
  const text =
    losesMore.length === 0
      ? `${name} would hide no more than this plan, but it leaves other differences.`
      : `${name} would give up ${plural(losesMore.length, "more feature")}: ${losesMore.join(" ")}`;
  return ["", ...paragraph(text, 0)];
}

export function planReport(plan: Plan, out: string | undefined): string {
  const shared = plan.classes.every(({ file }) => file === "templates/pool.json");
  const template = join(out ?? "", shared ? "templates/pool.json" : "templates/CLASS.json");
  return [
    ...summary(plan),
    "",
    ...classTable(plan),
    "",
    ...PARTS[plan.type].guest(plan),
    "",
    heading("Given up, by class"),
    ...costBars(plan),
    ...costSections(plan),
    ...safetySection(plan),
    ...movesSection(plan),
    ...residualSection(plan),
    ...comparisonLine(plan),
    ...plan.warnings.flatMap((warning) => ["", ...paragraph(`Warning: ${warning}`, 0)]),
    "",
    heading("Next"),
    ...nextLines(out === undefined ? undefined : template),
    "",
  ].join("\n");
}
