/** What an operator allows: EVENKEEL_GUARD_ALLOW, verdicts separated by commas. */
import type { Verdict } from "@evenkeel/core";

/** `missing`: there is no contract that could be read. */
export type Objection = Exclude<Verdict, "compatible"> | "missing";

const OBJECTIONS: readonly Objection[] = ["unknown", "insecure", "incompatible", "missing"];

export const ALLOW_VARIABLE = "EVENKEEL_GUARD_ALLOW";

/** Each word allows what it names and nothing else. Throws on another word. */
export function readPolicy(text = ""): ReadonlySet<Objection> {
  const words = text
    .split(",")
    .map((word) => word.trim())
    .filter((word) => word !== "");
  const allowed = words.map((word) => {
    const objection = OBJECTIONS.find((known) => known === word);
    if (objection !== undefined) return objection;
    throw new Error(`${ALLOW_VARIABLE}: "${word}" is not one of ${OBJECTIONS.join(", ")}`);
  });
  return new Set(allowed);
}
