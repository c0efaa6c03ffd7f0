/** An aarch64 plan as a person reads it. */
import { join } from "node:path";
import {
  formatLines,
  listOf,
  type ArmGivenUp,
  type ArmPlannedClass,
  type JudgedArmPlan,
} from "@evenkeel/core";
import { featureLines } from "./features.ts";
import { heading, paragraph, plural, table, terminalWidth } from "./layout.ts";
import {
  fewOf,
  kernelLines,
  movesLine,
  movesSection,
  nextLines,
  safetySection,
} from "./plan-parts.ts";

function summary({ classes, proof, firecracker, moves }: JudgedArmPlan): string[] {
  const nodes = classes.reduce((sum, { armClass }) => sum + armClass.nodes.length, 0);
  const templates = new Set(classes.map(({ file }) => file)).size;
  return [
    heading(
      `${plural(nodes, "node")} in ${plural(classes.length, "class")}: one guest CPU from ` +
        `${plural(templates, "template")}.`,
    ),
    ...paragraph(
      `Verified by applying each template (Firecracker ${formatLines(firecracker)}): ` +
        `${proof.registers} registers compared, none differs. What KVM lets a template write is ` +
        "in the warnings.",
      0,
    ),
    ...movesLine(moves),
  ];
}

function classTable({ classes }: JudgedArmPlan): string[] {
  const room = Math.max(24, terminalWidth() - 60);
  return table(
    ["CLASS", "MODEL", "KERNEL", "COUNT", "NODES"],
    classes.map(({ armClass: c }) => [
      c.id,
      c.model,
      kernelLines(c.kernels),
      String(c.nodes.length),
      fewOf(c.nodes, room),
    ]),
  );
}

/** `SHA3`, `SHA2 2→1` where something is left, and what it went along with. */
function givenUpText({ name, from, to, requires }: ArmGivenUp): string {
  const text = to === 0 ? name : `${name} ${from}→${to}`;
  return requires === undefined ? text : `${text} (needs ${requires})`;
}

function costOf({ armClass, givesUp }: ArmPlannedClass): string[] {
  if (givesUp.length === 0) return [`  ${armClass.id}: nothing`];
  const items = givesUp.map((item) => ({ group: item.group, name: givenUpText(item) }));
  return [
    ...paragraph(`${armClass.id}: ${plural(givesUp.length, "feature")}`, 2),
    ...featureLines(items, 4),
  ];
}

function residuals({ residuals: found }: JudgedArmPlan): string[] {
  if (found.length === 0) return [];
  const lines = found.flatMap(({ address, what, groups }) =>
    paragraph(`${what} (${address}): ${groups.map(listOf).join(" / ")}`, 2),
  );
  return ["", heading("Still differs between nodes"), ...lines];
}

export function armReport(plan: JudgedArmPlan, out: string | undefined): string {
  const shared = plan.classes.every(({ file }) => file === "templates/pool.json");
  const template = join(out ?? "", shared ? "templates/pool.json" : "templates/CLASS.json");
  return [
    ...summary(plan),
    "",
    ...classTable(plan),
    "",
    heading(`Guest CPU: ${plural(plan.guest.features.length, "feature")} (AArch64)`),
    ...paragraph(plan.guest.features.join(" "), 2),
    "",
    heading("Given up, by class"),
    ...plan.classes.flatMap(costOf),
    ...safetySection(plan),
    ...movesSection(plan),
    ...residuals(plan),
    ...plan.warnings.flatMap((warning) => ["", ...paragraph(`Warning: ${warning}`, 0)]),
    "",
    heading("Next"),
    ...nextLines(out === undefined ? undefined : template),
    "",
  ].join("\n");
}
