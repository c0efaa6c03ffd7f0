/** All pairs as a grid: from, down; to, across. */
import type { MatrixEntry, MatrixPair, Verdict } from "@evenkeel/core";
import pc from "picocolors";
import { heading, paragraph, table } from "./layout.ts";

const CELLS: Readonly<Record<Verdict, string>> = {
  compatible: pc.green("yes"),
  insecure: pc.yellow("insecure"),
  incompatible: pc.red("NO"),
  unknown: pc.yellow("?"),
};

function reason({ from, to, verdict, findings }: MatrixPair): string[] {
  const names = findings.filter(({ severity }) => severity === verdict).map(({ name }) => name);
  const shown = [...new Set(names)];
  const more = shown.length > 8 ? ` and ${shown.length - 8} more` : "";
  return paragraph(`${from} → ${to}: ${verdict}: ${shown.slice(0, 8).join(", ")}${more}`, 2);
}

export function matrixReport(
  entries: readonly MatrixEntry[],
  pairs: readonly MatrixPair[],
): string {
  const cell = new Map(pairs.map((pair) => [`${pair.from} ${pair.to}`, CELLS[pair.verdict]]));
  const rows = entries.map(({ label, nodes }, i) => [
    String(i + 1),
    label,
    String(nodes.length),
    ...entries.map((to) => cell.get(`${label} ${to.label}`) ?? ""),
  ]);
  const head = ["", "FROM \\ TO", "NODES", ...entries.map((_, i) => String(i + 1))];
  const refused = pairs.filter(({ verdict }) => verdict !== "compatible");
  const good = pairs.length - refused.length;
  return [
    heading(`${good} of ${pairs.length} ordered pairs are compatible`),
    "",
    ...table(head, rows),
    ...(refused.length > 0 ? ["", heading("Why not"), ...refused.flatMap(reason)] : []),
    "",
  ].join("\n");
}
