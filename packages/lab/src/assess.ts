/** Whether a prediction was right: a verdict beside what really happened. */
import { isDeepStrictEqual } from "node:util";
import type { Finding, Judgement, Verdict } from "@evenkeel/core";
import type { Outcome } from "./outcome.ts";

export interface Assessment {
  readonly right: boolean;
  /** One sentence; empty where the verdict said yes and the guest lives. */
  readonly why: string;
}

/** A verdict as an agent gave it, with the findings it returned, unchanged. */
export interface Said {
  readonly verdict: Verdict;
  /** No notes, and nothing where the verdict is `compatible`. */
  readonly against: unknown;
}

/** Whether an agent's answer equals a judgement, finding by finding. */
export function isSaid({ verdict, findings }: Judgement, said: Said): boolean {
  const against = findings.filter(({ severity }) => severity !== "note");
  const expected: unknown = JSON.parse(JSON.stringify(against));
  return said.verdict === verdict && isDeepStrictEqual(said.against, expected);
}

/** Findings that predict the guest's death. */
function deadly(findings: readonly Finding[]): Finding[] {
  return findings.filter(({ severity }) => severity === "incompatible");
}

/**
 * Features that QEMU's emulation executes where CPUID does not have them; hardware does not.
 * Source: QEMU target/i386/tcg/misc_helper.c, helper_rdpkru() and helper_wrpkru().
 */
const LENIENT: Readonly<Record<string, string>> = {
  PKU: "QEMU's RDPKRU and WRPKRU check CR4.PKE, which is part of the snapshot",
};

/** Whether an emulated guest may execute a feature that CPUID does not have. */
export function isLenient(feature: string): boolean {
  return LENIENT[feature] !== undefined;
}

function assessSurvival(
  { verdict, findings }: Judgement,
  exercised: ReadonlySet<string>,
): Assessment {
  if (verdict === "compatible") return { right: true, why: "" };
  // A feature that the guest keeps executing cannot be missing on a node where it survives.
  const executed = deadly(findings).filter(({ name }) => exercised.has(name));
  const untrue = executed.find(({ name }) => !isLenient(name));
  if (untrue !== undefined) {
    return { right: false, why: `${untrue.name} should be missing, but was executed` };
  }
  const excuse = executed.map(({ name }) => LENIENT[name])[0];
  const why = excuse ?? "the guest executed nothing affected by the reason";
  return { right: true, why: `judged ${verdict}; ${why}` };
}

/**
 * `exercised`: features whose instructions the guest executes. A guest that dies must have been
 * judged incompatible, with the cause among the reasons; for one that lives, no finding may say
 * that a feature it executes is missing.
 */
export function assess(
  judgement: Judgement,
  outcome: Outcome,
  exercised: ReadonlySet<string>,
): Assessment {
  if (outcome.kind === "survived") return assessSurvival(judgement, exercised);
  const { verdict, findings } = judgement;
  if (verdict !== "incompatible") {
    return { right: false, why: `judged ${verdict}, but the guest died` };
  }
  if (outcome.kind === "load-refused") return { right: true, why: "the snapshot did not load" };
  const named = new Set(deadly(findings).map(({ name }) => name));
  const killer = outcome.features.find((feature) => named.has(feature));
  if (killer !== undefined) return { right: true, why: `${killer} is among the reasons` };
  const what = outcome.features.join(", ") || "an unknown cause";
  return { right: false, why: `killed by ${what}, which is not among the reasons` };
}
