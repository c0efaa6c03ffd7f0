/** What an operator accepted when a plan was made: `plan --accept`. */
import type { LintFinding } from "../lint/finding.ts";
import type { CpuContract } from "../contract/contract.ts";
import { verdictOf, type Finding } from "../verdict/finding.ts";
import type { Judgement } from "../verdict/judge.ts";
import type { WhyNot } from "../verdict/reasons.ts";

export interface Accepted {
  readonly verdict: "unknown" | "insecure";
  readonly reasons: readonly WhyNot[];
}

/** A class's id, and in a mover's label what sets its nodes apart: `rome-1a2b3c@6.1`. */
function isClass(label: string, id: string): boolean {
  return label === id || label.startsWith(`${id}@`);
}

/** The rule of a verdict that corresponds to a rule of lint. */
const VERDICT_OF: Readonly<Record<string, string>> = {
  "hidden-weakness": "weakness",
  identity: "identity",
};

export function isAccepted(
  accepted: Accepted | undefined,
  id: string,
  { rule, name }: LintFinding,
): boolean {
  const verdict = VERDICT_OF[rule];
  return (accepted?.reasons ?? []).some(
    (reason) =>
      reason.rule === verdict &&
      reason.findings.some((finding) => finding.name === name) &&
      reason.moves.some(({ to }) => to.some((label) => isClass(label, id))),
  );
}

interface NodeShape {
  readonly class?: string;
  readonly plan?: string;
  readonly accepted?: Accepted;
}

/** A judgement without what was accepted for the node's class, for snapshots of the same plan. */
export function honourAccepted(
  judgement: Judgement,
  contract: Pick<CpuContract, "class" | "plan">,
  { class: to, plan, accepted }: NodeShape,
): Judgement {
  const { class: from } = contract;
  if (accepted === undefined || from === undefined || to === undefined || contract.plan !== plan) {
    return judgement;
  }
  const findings = withoutAccepted(accepted, { from, to }, judgement.findings);
  return { verdict: verdictOf(findings), findings };
}

function withoutAccepted(
  accepted: Accepted,
  move: { readonly from: string; readonly to: string },
  findings: readonly Finding[],
): Finding[] {
  const reasons = accepted.reasons.filter(({ moves }) =>
    moves.some(
      ({ from, to }) =>
        from.some((label) => isClass(label, move.from)) &&
        to.some((label) => isClass(label, move.to)),
    ),
  );
  return findings.filter(
    ({ rule, severity, address, name }) =>
      !reasons.some(
        (reason) =>
          reason.rule === rule &&
          reason.severity === severity &&
          reason.findings.some((one) => one.address === address && one.name === name),
      ),
  );
}
