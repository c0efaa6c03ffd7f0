/** Verdicts as a person reads them: a row per node, then the reasons. */
import type { CpuContract, Finding, Judgement } from "@evenkeel/core";
import { heading, labelled, paragraph, table } from "./layout.ts";

export interface NodeResult extends Judgement {
  readonly node: string;
}

const SEVERITIES: readonly Finding["severity"][] = ["incompatible", "insecure", "unknown", "note"];

/** Findings of one rule and severity stand together: names, then what they mean. */
function groupsOf(findings: readonly Finding[]): Finding[][] {
  const groups = new Map<string, Finding[]>();
  for (const finding of findings) {
    const key = `${SEVERITIES.indexOf(finding.severity)} ${finding.rule}`;
    groups.set(key, [...(groups.get(key) ?? []), finding]);
  }
  return [...groups.values()].toSorted(
    ([a], [b]) =>
      SEVERITIES.indexOf(a?.severity ?? "note") - SEVERITIES.indexOf(b?.severity ?? "note"),
  );
}

function valueText({ name, promised, offered }: Finding): string {
  const values = `${promised ?? "unknown"} → ${offered ?? "unknown"}`;
  return promised === "1" || promised === "0" ? name : `${name} (${values})`;
}

/** Up to three findings of a group have their addresses; more would hide the names. */
const WITH_ADDRESS = 3;

function groupLines(group: readonly Finding[]): string[] {
  const [first] = group;
  if (first === undefined) return [];
  const names = group.map((finding) => {
    const address = group.length <= WITH_ADDRESS && finding.address !== "";
    return valueText(finding) + (address ? ` [${finding.address}]` : "");
  });
  const label = `${first.severity}: ${first.rule}`;
  const texts = new Set(group.map(({ consequence }) => consequence));
  const worst = [...texts].find((sentence) => sentence.includes("SIGILL")) ?? first.consequence;
  const text = texts.size <= 2 ? [...texts] : [worst];
  return [
    ...labelled(label, names.join(", ").split(" "), 2, 32),
    ...text.flatMap((sentence) => paragraph(sentence, 6)),
  ];
}

export function findingLines(findings: readonly Finding[]): string[] {
  return groupsOf(findings).flatMap(groupLines);
}

function summaryOf({ findings }: Judgement): string {
  const reasons = findings.filter(({ severity }) => severity !== "note");
  const names = [...new Set(reasons.map(({ name }) => name))];
  const shown = names.slice(0, 4).join(", ");
  return names.length > 4 ? `${shown} and ${names.length - 4} more` : shown;
}

export function checkReport(contract: CpuContract, results: readonly NodeResult[]): string {
  const shape =
    contract.template === undefined ? "without a template" : `with ${contract.template}`;
  const rows = results.map((result) => [result.node, result.verdict, summaryOf(result)]);
  const refused = results.filter(({ verdict }) => verdict !== "compatible");
  const willing = results.filter(({ verdict }) => verdict === "compatible");
  return [
    heading(`Snapshot of ${contract.node}, Firecracker ${contract.firecracker}, ${shape}`),
    "",
    ...table(["NODE", "VERDICT", "BECAUSE OF"], rows),
    ...refused.flatMap((result) => ["", heading(result.node), ...findingLines(result.findings)]),
    ...(refused.length > 0 ? ["", heading("What to do"), ...adviceLines(willing)] : []),
    "",
  ].join("\n");
}

function adviceLines(willing: readonly NodeResult[]): string[] {
  const now =
    willing.length > 0
      ? `Now: resume on ${willing.map(({ node }) => node).join(", ")}, or boot the guest anew.`
      : "Now: resume on a node like the one it was taken on, or boot the guest anew.";
  return [
    ...paragraph(now, 2),
    ...paragraph(
      "For good: plan the pool (evenkeel plan) and take snapshots with its templates.",
      2,
    ),
  ];
}
