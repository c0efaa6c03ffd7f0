/** The plan as a person reads it: classes, guest CPU, price, safety, what to do next. */
import { join } from "node:path";
import {
  compareStaticTemplates,
  fieldInfo,
  formatFms,
  formatLines,
  listOf,
  modelName,
  type GivenUp,
  type Plan,
  type PlannedClass,
  type Reason,
} from "@evenkeel/core";
import { heading, labelled, paragraph, plural, table, terminalWidth } from "./layout.ts";
import { featureLines } from "./features.ts";
import { fewOf, kernelLines, nextLines, safetySection } from "./plan-parts.ts";

function summary(plan: Plan): string[] {
  const nodes = plan.classes.reduce((sum, { nodeClass }) => sum + nodeClass.nodes.length, 0);
  const templates = new Set(plan.classes.map(({ file }) => file)).size;
  const text =
    `${plural(nodes, "node")} in ${plural(plan.classes.length, "class")}: one guest CPU from ` +
    `${plural(templates, "template")}.`;
  const proof =
    `Proven by simulation for Firecracker ${formatLines(plan.firecracker)}: ` +
    `${plan.proof.registers} registers compared, none differs.`;
  return [heading(text), ...paragraph(proof, 0)];
}

function classTable(plan: Plan): string[] {
  const rows = plan.classes.map(({ nodeClass: c }) => [
    c.id,
    modelName(c.vendor, c.signature),
    formatFms(c.signature),
    kernelLines(c.kernels),
    String(c.nodes.length),
    "",
  ]);
  const head = ["CLASS", "MODEL", "F/M/S", "KERNEL", "COUNT", "NODES"];
  const used =
    Math.max(
      ...table(head, rows)
        .slice(1)
        .map((line) => line.length),
    ) + 2;
  const room = Math.max(24, terminalWidth() - used - 14);
  return table(
    head,
    plan.classes.map(({ nodeClass }, i) => [
      ...(rows[i] ?? []).slice(0, -1),
      fewOf(nodeClass.nodes, room),
    ]),
  );
}

function guestSection(plan: Plan): string[] {
  const fields = plan.guest.features.map((name) => fieldInfo(name));
  const listed = fields.filter(({ readBy }) => readBy === "user");
  const { identity } = plan;
  const model =
    identity === undefined
      ? "each class keeps its own model"
      : `${identity.name} (${formatFms(identity)}): ${identity.reason}`;
  return [
    heading(`Guest CPU: ${plan.level}, ${plural(fields.length, "feature")}`),
    ...labelled("model", model.split(" "), 2, 24),
    ...featureLines(listed, 2),
    ...labelled(
      "for kernels",
      [`${fields.length - listed.length} more (evenkeel show plan.json)`],
      2,
      24,
    ),
  ];
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
      unverifiable: () => "no profile says what nested guests may do",
    };
  return texts[reason.kind](reason as never);
}

/** Classes that give up the same stand together. */
function costSections(plan: Plan): string[] {
  const groups = new Map<string, PlannedClass[]>();
  for (const planned of plan.classes) {
    const key = planned.givesUp.map(({ name }) => name).join(" ");
    groups.set(key, [...(groups.get(key) ?? []), planned]);
  }
  return [...groups.values()].flatMap((members) => {
    const first = members[0];
    const ids = members.map(({ nodeClass }) => nodeClass.id);
    if (first === undefined) return [];
    if (first.givesUp.length === 0) return [`  ${listOf(ids)}: nothing`];
    const items = first.givesUp.map((item) => {
      const reason = reasonText(item);
      return {
        group: item.group,
        name: reason === undefined ? item.name : `${item.name} (${reason})`,
      };
    });
    const count = plural(first.givesUp.length, "feature");
    return [...paragraph(`${listOf(ids)}: ${count}`, 2), ...featureLines(items, 4)];
  });
}

function residualSection(plan: Plan): string[] {
  if (plan.residuals.length === 0) return [];
  const titles = plan.residuals.map(({ address, what }) => `${what} (${address})`);
  return ["", heading("Still differs between nodes"), ...paragraph(`${titles.join("; ")}.`, 2)];
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
    ...guestSection(plan),
    "",
    heading("Given up, by class"),
    ...costSections(plan),
    ...safetySection(plan),
    ...residualSection(plan),
    ...comparisonLine(plan),
    ...plan.warnings.flatMap((warning) => ["", ...paragraph(`Warning: ${warning}`, 0)]),
    "",
    heading("Next"),
    ...nextLines(out === undefined ? undefined : template),
    "",
  ].join("\n");
}
