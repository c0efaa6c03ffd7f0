/** Several pools: what was joined and what more would cost, then each pool. */
import type { Join } from "@evenkeel/core";
import { heading, labelled, paragraph, plural } from "./layout.ts";

const COLUMN = 10;

function side(ids: readonly string[]): string {
  return ids.length > 2 ? `{${ids[0]}, ${ids.length - 1} more}` : `{${ids.join(", ")}}`;
}

function losses(ids: readonly string[], names: readonly string[]): string[] {
  if (names.length === 0) return [];
  const shown = names.slice(0, 10).join(" ");
  const more = names.length > 10 ? ` and ${names.length - 10} more` : "";
  return paragraph(`${side(ids)} would lose ${names.length}: ${shown}${more}`, COLUMN);
}

function joinLines(join: Join): string[] {
  const { left, right, leftLoses, rightLoses, cost, worstLoss, joined } = join;
  const text =
    `${side(left)} with ${side(right)}: ${plural(cost, "feature")} in total across the nodes, ` +
    `at most ${worstLoss} per class`;
  return [
    ...labelled(joined ? "merged" : "separate", text.split(" "), 2, COLUMN),
    ...losses(left, leftLoses),
    ...losses(right, rightLoses),
  ];
}

export function treeReport(pools: number, tree: readonly Join[]): string {
  return [
    heading(`${plural(pools, "pool")}. Merges considered, cheapest first:`),
    ...(tree.length === 0 ? ["  nothing to merge"] : tree.flatMap(joinLines)),
    "",
    "",
  ].join("\n");
}
