/** Lint findings: per node, the worst first, each with its fix. */
import type { LintFinding } from "@evenkeel/core";
import { heading, labelled, plural } from "./layout.ts";

export interface LintedNode {
  readonly node: string;
  readonly findings: readonly LintFinding[];
}

const ORDER: readonly LintFinding["severity"][] = ["error", "warning", "note"];
const COLUMN = 28;

function lines(finding: LintFinding): string[] {
  const { rule, severity, path, address, message, fix } = finding;
  const place = [path, address].filter((part) => part !== "").join(", ");
  const text = place === "" ? message : `${place}: ${message}`;
  return [
    ...labelled(`${severity}: ${rule}`, text.split(" "), 2, COLUMN),
    ...labelled("", `Fix: ${fix}`.split(" "), 2, COLUMN),
  ];
}

function nodeLines({ node, findings }: LintedNode): string[] {
  const count = (severity: LintFinding["severity"]) =>
    findings.filter((f) => f.severity === severity).length;
  const sorted = findings.toSorted((a, b) => ORDER.indexOf(a.severity) - ORDER.indexOf(b.severity));
  const summary = ORDER.map((severity) => plural(count(severity), severity)).join(", ");
  return ["", heading(`${node}: ${summary}`), ...sorted.flatMap(lines)];
}

export function lintReport(template: string, results: readonly LintedNode[]): string {
  return [heading(`CPU template ${template}`), ...results.flatMap(nodeLines), ""].join("\n");
}
