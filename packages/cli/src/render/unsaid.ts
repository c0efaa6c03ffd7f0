/** What another monitor cannot express of a plan, for display. */
import type { Unsaid } from "@evenkeel/core";
import { paragraph } from "./layout.ts";

const HEADINGS = {
  differs: "Guests differ from node to node, and snapshots cannot move:",
  insecure: "Guests may leave a mitigation off:",
  "given up": "Guests lack these on every node alike:",
} as const satisfies Record<Unsaid["effect"], string>;

function lineOf({ address, message }: Unsaid): string[] {
  return paragraph(address === "" ? message : `${message}: ${address}`, 2);
}

export function unsaidReport(unsaid: readonly Unsaid[]): string {
  const effects = Object.keys(HEADINGS) as Unsaid["effect"][];
  const lines = effects.flatMap((effect) => {
    const found = unsaid.filter((one) => one.effect === effect);
    return found.length === 0 ? [] : [HEADINGS[effect], ...found.flatMap(lineOf)];
  });
  return lines.map((line) => `${line}\n`).join("");
}
