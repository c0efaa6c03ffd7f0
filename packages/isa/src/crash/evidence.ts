/** Who has the features that an instruction needs, and to whom they were promised. */
import {
  classOffersFeature,
  fieldAddress,
  fieldByName,
  offersFeature,
  planHasFeature,
  promisesFeature,
  type Answer,
} from "@evenkeel/core";
import type { Requirements } from "../features/requirements.ts";
import type { CrashContext } from "./context.ts";

export interface FeatureEvidence {
  readonly name: string;
  readonly title: string;
  /** `CPUID.(EAX=07H,ECX=0):ECX[1]`. */
  readonly address: string;
  /** Whether the snapshot's contract promised it; undefined without a contract. */
  readonly promised: Answer | undefined;
  /** Whether guests of the plan have it; undefined without a plan. */
  readonly planned: Answer | undefined;
}

/** Nodes, or classes of a plan, by whether they have everything the instruction needs. */
export interface Holders {
  readonly of: "node" | "class";
  readonly have: readonly string[];
  readonly lack: readonly string[];
  readonly unknown: readonly string[];
}

export interface Evidence {
  readonly features: readonly FeatureEvidence[];
  /** Whether one of the features suffices, instead of all. */
  readonly anySuffices: boolean;
  /** All features taken together; undefined without a contract. */
  readonly promised: Answer | undefined;
  readonly planned: Answer | undefined;
  /** Undefined where neither nodes nor a plan are known. */
  readonly holders: Holders | undefined;
}

/** Three-valued and, or or. */
function combine(answers: readonly Answer[], any: boolean): Answer {
  const decisive: Answer = any ? "yes" : "no";
  if (answers.includes(decisive)) return decisive;
  if (answers.includes("unknown")) return "unknown";
  return any ? "no" : "yes";
}

function sort(
  of: Holders["of"],
  members: readonly { readonly name: string; readonly answer: Answer }[],
): Holders {
  const named = (wanted: Answer) =>
    members.filter(({ answer }) => answer === wanted).map(({ name }) => name);
  return { of, have: named("yes"), lack: named("no"), unknown: named("unknown") };
}

/** All answers about an instruction's features. */
export function gather(requirements: Requirements, context: CrashContext): Evidence {
  const { contract, nodes = [], plan } = context;
  const { features, oneOf } = requirements;
  const together = (ask: (name: string) => Answer): Answer =>
    combine(
      [
        combine(features.map(ask), false),
        ...(oneOf.length > 0 ? [combine(oneOf.map(ask), true)] : []),
      ],
      false,
    );
  const promises = contract && ((name: string) => promisesFeature(contract, name));
  const plans = plan && ((name: string) => planHasFeature(plan, name));
  const byNode = nodes.map((node) => ({
    name: node.name,
    answer: together((name) => offersFeature(node, name)),
  }));
  const byClass = (plan?.classes ?? []).map((planned) => ({
    name: planned.id,
    answer: plan ? together((name) => classOffersFeature(plan, planned, name)) : "unknown",
  })) satisfies { name: string; answer: Answer }[];
  return {
    features: [...features, ...oneOf].map((name) => {
      const row = fieldByName(name);
      return {
        name,
        title: row?.title ?? "",
        address: row === undefined ? "" : fieldAddress(row),
        promised: promises?.(name),
        planned: plans?.(name),
      };
    }),
    anySuffices: features.length === 0 && oneOf.length > 1,
    promised: promises && together(promises),
    planned: plans && together(plans),
    holders:
      byNode.length > 0
        ? sort("node", byNode)
        : byClass.length > 0
          ? sort("class", byClass)
          : undefined,
  };
}

/** Features of every x86-64 CPU: an instruction that needs no others cannot be missing. */
const BASELINE: ReadonlySet<string> = new Set([
  "CLFLUSH",
  "CMOV",
  "CMPXCHG8B",
  "FPU",
  "FXSR",
  "MMX",
  "MSR",
  "SEP",
  "SSE",
  "SSE2",
  "SYSCALL",
  "TSC",
]);

export function isBaseline({ features, oneOf }: Requirements): boolean {
  return oneOf.length === 0 && features.every((name) => BASELINE.has(name));
}
