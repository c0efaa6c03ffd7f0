/** Findings: what a verdict, a lint or a check has to say, as data. */
import type { RuleId } from "./rules.ts";

/**
 * - `incompatible`: the guest will fault, compute wrong results, or cannot be loaded
 * - `insecure`: it will run, without a protection that it needs there
 * - `unknown`: nothing is known that would allow to say yes
 * - `note`: worth knowing, no reason against
 */
export type Severity = "incompatible" | "insecure" | "unknown" | "note";

export interface Finding {
  readonly rule: RuleId;
  readonly severity: Severity;
  /** As in the manuals, e.g. `CPUID.(EAX=07H,ECX=0):EBX[16]`; empty where there is none. */
  readonly address: string;
  readonly name: string;
  /** What the guest was promised, as text; undefined where it was promised nothing. */
  readonly promised: string | undefined;
  /** What the node has, as text; undefined where it does not say. */
  readonly offered: string | undefined;
  readonly consequence: string;
}

export function finding(
  rule: RuleId,
  severity: Severity,
  name: string,
  values: { promised?: string | undefined; offered?: string | undefined; address?: string },
  consequence: string,
): Finding {
  const { promised, offered, address = "" } = values;
  return { rule, severity, address, name, promised, offered, consequence };
}

export type Verdict = "compatible" | "insecure" | "incompatible" | "unknown";

const WORST_FIRST = ["incompatible", "insecure", "unknown"] as const;

/** The worst of all findings; `compatible` only where there is nothing but notes. */
export function verdictOf(findings: readonly Finding[]): Verdict {
  const isThere = (worst: Severity) => findings.some(({ severity }) => severity === worst);
  return WORST_FIRST.find(isThere) ?? "compatible";
}
