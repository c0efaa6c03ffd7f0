/** Differences as a table: what a plan can change first, what is free to differ last. */
import type { Difference } from "@evenkeel/core";
import { heading, table } from "./layout.ts";

const COSMETIC: ReadonlySet<Difference["kind"]> = new Set(["topology", "owned", "state"]);

function rows(differences: readonly Difference[]): string[][] {
  return differences.map(({ address, name, a, b, title }) => [
    address,
    name,
    a ?? "absent",
    b ?? "absent",
    title,
  ]);
}

export function diffReport(
  [a, b]: readonly [string, string],
  differences: readonly Difference[],
): string {
  if (differences.length === 0) return "No differences.\n";
  const head = ["ADDRESS", "NAME", "A", "B", "MEANING"];
  const cosmetic = differences.filter(({ kind }) => COSMETIC.has(kind));
  const real = differences.filter(({ kind }) => !COSMETIC.has(kind));
  const section = (title: string, items: readonly Difference[]) =>
    items.length === 0
      ? []
      : ["", heading(`${title}: ${items.length}`), ...table(head, rows(items))];
  return [
    `A  ${a}`,
    `B  ${b}`,
    ...section("Differences", real),
    ...section("Caches, topology and vCPU state, free to differ", cosmetic),
    "",
  ].join("\n");
}
