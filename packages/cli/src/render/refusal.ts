/** Why there is no plan. */
import type { Refusal } from "@evenkeel/core";
import { heading, paragraph } from "./layout.ts";

export function refusalReport(refusals: readonly Refusal[]): string {
  const hints = [...new Set(refusals.map(({ hint }) => hint))];
  return [
    heading("These nodes cannot be one pool."),
    ...refusals.flatMap(({ message }) => paragraph(`${message}.`, 2)),
    ...hints.flatMap((hint) => paragraph(`hint: ${hint}`, 0)),
    "",
  ].join("\n");
}
