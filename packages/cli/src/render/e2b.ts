/** What `e2b check` found on a node, and how to fix it. */
import type { E2bFinding } from "@evenkeel/host";
import { heading, labelled, plural } from "./layout.ts";

const COLUMN = 16;

function lines({ about, ok, text, mend }: E2bFinding): string[] {
  const told = labelled(about, text.split(" "), 2, COLUMN);
  // Commands are copied: they stay on one line.
  return ok ? told : [...told, `${" ".repeat(COLUMN)}→ ${mend ?? ""}`];
}

function group(title: string, findings: readonly E2bFinding[]): string[] {
  return findings.length === 0 ? [] : [heading(title), ...findings.flatMap(lines), ""];
}

export function e2bReport(findings: readonly E2bFinding[]): string {
  const missing = findings.filter(({ ok }) => !ok);
  const rest = missing.length === 0 ? "No problems: guests here have the pool's CPU" : "In order";
  return [
    ...group(plural(missing.length, "problem"), missing),
    ...group(
      rest,
      findings.filter(({ ok }) => ok),
    ),
  ].join("\n");
}
