/** Why there is no plan. */
import type { Refusal } from "@evenkeel/core";
import { heading, paragraph } from "./layout.ts";

const ONE_NODE = "No plan for this node.";
const POOL = "These nodes cannot be one pool.";

/** `nodes`: how many were to be planned. */
export function refusalReport(refusals: readonly Refusal[], nodes: number): string {
  const hints = [...new Set(refusals.map(({ hint }) => hint))];
  const title = nodes === 1 ? ONE_NODE : POOL;
  return [
    heading(title),
    ...refusals.flatMap(({ message }) => paragraph(`${message}.`, 2)),
    ...hints.flatMap((hint) => paragraph(`hint: ${hint}`, 0)),
    "",
  ].join("\n");
}
