/** The four verdicts: a sign and a word each, so that color is never alone. */
import type { Verdict } from "@evenkeel/core";

/** From good to bad. */
export const VERDICTS: readonly Verdict[] = ["compatible", "unknown", "insecure", "incompatible"];

export const SIGNS: Readonly<Record<Verdict, string>> = {
  compatible: "✓",
  unknown: "?",
  insecure: "!",
  incompatible: "✕",
};

export const MEANINGS: Readonly<Record<Verdict, string>> = {
  compatible: "the snapshot can resume there",
  unknown: "not enough is known to say yes",
  insecure: "it resumes, without a protection that it needs there",
  incompatible: "guests crash, compute wrong results, or do not load",
};
