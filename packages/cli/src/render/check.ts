/** Verdicts as a person reads them: a row per class of nodes, then the reasons. */
import { isBeyondTemplates, type CpuContract, type Finding, type Judgement } from "@evenkeel/core";
import { heading, labelled, paragraph, table, terminalWidth } from "./layout.ts";
import { fewOf } from "./plan-parts.ts";

/** Nodes that are equal under every rule. */
export interface CheckedGroup extends Judgement {
  readonly label: string;
  readonly nodes: readonly string[];
}

const SEVERITIES: readonly Finding["severity"][] = ["incompatible", "insecure", "unknown", "note"];

/** Findings of one rule and severity are grouped: names, then what they mean. */
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

/** A group by its nodes where they are few, else by its class and their number. */
function titleOf({ label, nodes }: CheckedGroup): string {
  const [first = label] = nodes;
  return nodes.length === 1 ? first : `${label}: ${nodes.length} nodes`;
}

function rowOf(group: CheckedGroup): string[] {
  const room = Math.max(24, Math.floor(terminalWidth() / 3));
  const { nodes, verdict } = group;
  return [fewOf(nodes, room), verdict, summaryOf(group)];
}

/** Each set of reasons once, with all nodes that have it. */
function reasonsOf(groups: readonly CheckedGroup[]): string[] {
  const byReasons = new Map<string, CheckedGroup[]>();
  for (const group of groups) {
    const key = JSON.stringify(group.findings);
    byReasons.set(key, [...(byReasons.get(key) ?? []), group]);
  }
  return [...byReasons.values()].flatMap((alike) => [
    "",
    heading(alike.map(titleOf).join(", ")),
    ...findingLines(alike[0]?.findings ?? []),
  ]);
}

export function checkReport(contract: CpuContract, groups: readonly CheckedGroup[]): string {
  const shape =
    contract.template === undefined ? "without a template" : `with ${contract.template}`;
  const refused = groups.filter(({ verdict }) => verdict !== "compatible");
  return [
    heading(`Snapshot of ${contract.node}, Firecracker ${contract.firecracker}, ${shape}`),
    "",
    ...table(["NODE", "VERDICT", "BECAUSE OF"], groups.map(rowOf)),
    ...reasonsOf(refused),
    ...(refused.length > 0 ? ["", heading("What to do"), ...adviceLines(contract, groups)] : []),
    "",
  ].join("\n");
}

function against({ findings }: Judgement): readonly Finding[] {
  return findings.filter(({ severity }) => severity !== "note");
}

function adviceNow(contract: CpuContract, groups: readonly CheckedGroup[]): string {
  const willing = groups.filter(({ verdict }) => verdict === "compatible");
  const names = willing.flatMap(({ nodes }) => nodes);
  if (names.length > 0) {
    return `Now: resume on ${fewOf(names, 120)}, or boot a new guest.`;
  }
  // If its own node was checked and refused, a node like it would refuse as well.
  const asked = groups.some(({ nodes }) => nodes.includes(contract.node));
  if (asked) return "Now: boot a new guest.";
  return `Now: resume on ${contract.node} or a node of its class, or boot a new guest.`;
}

/** What helps against reasons on the host's side, by rule. */
const FOR_HOSTS: Readonly<Record<string, string>> = {
  kernel: "run one host kernel on all nodes; until then, take snapshots on the oldest",
  "snapshot-format": "install a Firecracker on these nodes that can load the snapshot's format",
  tsc: "keep snapshots on nodes with the same TSC frequency or with TSC scaling",
  "kvm-capability": "use a host kernel that has the KVM capability",
  msr: "keep snapshots on nodes whose KVM has the same MSRs (same host kernel and model)",
  remedy: "update microcode and host kernel on these nodes, where VERW clears nothing",
  measured: "probe the node (evenkeel probe): its profile is an estimate",
  complete: "probe the node again (evenkeel probe), and make the contract from a complete profile",
  enforced: "leave the node out: its KVM does not enforce CPU templates",
};

function adviceForGood(contract: CpuContract, groups: readonly CheckedGroup[]): string[] {
  const rules = new Set(groups.flatMap(against).map(({ rule }) => rule));
  const hosts = [...rules].flatMap((rule) => FOR_HOSTS[rule] ?? []);
  const aboutCpu = [...rules].some(
    (rule) => FOR_HOSTS[rule] === undefined && !isBeyondTemplates(rule),
  );
  const isPlanned = contract.class !== undefined || contract.plan !== undefined;
  const cpu = isPlanned
    ? "if these nodes belong to the pool, plan it again with them; evenkeel drift says what " +
      "changed on a node"
    : "plan the pool (evenkeel plan) and take snapshots with its templates";
  return [...(aboutCpu ? [cpu] : []), ...hosts].map((text) => `For good: ${text}.`);
}

function adviceLines(contract: CpuContract, groups: readonly CheckedGroup[]): string[] {
  return [adviceNow(contract, groups), ...adviceForGood(contract, groups)].flatMap((text) =>
    paragraph(text, 2),
  );
}
