/** What a change would strand, as a person reads it. */
import type { ChangeOutcome, ContractOutcome, PlanChange } from "@evenkeel/core";
import { labelled, plural, table } from "./layout.ts";

const FATES: Readonly<Record<ContractOutcome["fate"], string>> = {
  stranded: "stranded",
  already: "already stranded",
  waiting: "on closed nodes only",
  regained: "regained",
  kept: "kept",
};
const ORDER = Object.keys(FATES);

/** A contract's digest is long; people know it by its snapshots. */
function nameOf({ contract, snapshots: [first, ...rest] }: ContractOutcome): string {
  if (first === undefined) return contract.slice(0, 12);
  return rest.length === 0 ? first : `${first} and ${rest.length} more`;
}

function classesText({ classes, lastClass }: ContractOutcome): string {
  if (classes.length === 0) return "-";
  const [first] = classes;
  return lastClass === undefined ? String(classes.length) : `1: ${first?.class ?? ""} alone`;
}

function whyNot({ obstacles, after }: ContractOutcome): string[] {
  const shown = obstacles.slice(0, 4).map(({ name, verdict, nodes }) => {
    const doubt = verdict === "unknown" ? ", unknown" : "";
    return `${name} (${plural(nodes, "node")}${doubt})`;
  });
  const more = obstacles.length > 4 ? [`and ${obstacles.length - 4} more`] : [];
  const text = [...shown, ...more].join(", ");
  if (text !== "") return text.split(" ");
  const nodes = after.compatible + after.incompatible + after.insecure + after.unknown;
  return (nodes === 0 ? "no node is left" : "not judged").split(" ");
}

function part(label: string, names: readonly string[]): string[] {
  if (names.length === 0) return [];
  return labelled(`${label}:`, names.join(", ").split(" "), 2, 24);
}

type PlanShown = Omit<PlanChange, "refusals"> & {
  readonly refusals: readonly { readonly message: string; readonly hint: string }[];
};

function planLines(plan: PlanShown): string[] {
  const lines = [
    ...part("guests gain", plan.gained),
    ...part("guests lose", plan.lost),
    ...part("classes added", plan.classesAdded),
    ...part("classes removed", plan.classesRemoved),
    ...part("Firecracker added", plan.firecrackerAdded),
    ...part("Firecracker removed", plan.firecrackerRemoved),
    ...part("without a template", plan.unplanned),
    ...plan.refusals.flatMap(({ message, hint }) => part("no plan", [`${message}. ${hint}`])),
  ];
  return lines.length === 0 ? ["Plan: the same guest CPU"] : ["Plan, recomputed:", ...lines];
}

function summary(outcome: ChangeOutcome): string[] {
  const { stranded, unknown, filesLost, waiting, alreadyStranded, regained } = outcome;
  const doubt = unknown.length > 0 ? `, ${unknown.length} of them by unknown verdicts` : "";
  return [
    stranded.length === 0
      ? "No snapshot is stranded."
      : `${plural(stranded.length, "snapshot")} stranded${doubt}.`,
    ...(filesLost.length > 0
      ? [`${plural(filesLost.length, "snapshot")} without files: their only copies are removed.`]
      : []),
    ...(waiting.length > 0
      ? [`${plural(waiting.length, "snapshot")} on nodes that get no new work.`]
      : []),
    ...(alreadyStranded.length > 0
      ? [`${plural(alreadyStranded.length, "snapshot")} already stranded before.`]
      : []),
    ...(regained.length > 0 ? [`${plural(regained.length, "snapshot")} regained.`] : []),
  ];
}

/** `plan`: null where there is none to compare with. */
export function simulationReport(
  simulation: ChangeOutcome & { readonly plan: PlanShown | null },
): string {
  const { nodesBefore, nodesAfter, filesLost, plan } = simulation;
  const contracts = simulation.contracts.toSorted(
    (a, b) => ORDER.indexOf(a.fate) - ORDER.indexOf(b.fate),
  );
  const rows = contracts.map((one) => [
    nameOf(one),
    FATES[one.fate],
    `${one.before.compatible} → ${one.open}`,
    classesText(one),
  ]);
  const lines = [
    `${plural(nodesBefore, "node")} → ${plural(nodesAfter, "node")}`,
    ...summary(simulation),
    "",
    ...table(["SNAPSHOT", "FATE", "NODES-ABLE", "CLASSES-LEFT"], rows),
    ...contracts
      .filter(({ fate }) => fate === "stranded")
      .flatMap((one) => [`${nameOf(one)}:`, ...labelled("stopped by:", whyNot(one), 2, 24)]),
    ...part("files lost", filesLost),
    ...(plan === null ? [] : ["", ...planLines(plan)]),
  ];
  return `${lines.join("\n")}\n`;
}
