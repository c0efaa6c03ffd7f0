/** Who has the features that an instruction needs, and to whom they were promised. */
import {
  classOffersFeature,
  fieldAddress,
  fieldByName,
  offersFeature,
  planHasFeature,
  promisesFeature,
  type Answer,
  type NodeProfile,
} from "@evenkeel/core";
import { BASELINE } from "../features/baseline.ts";
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
  /** Nodes, or classes, that do not have it. */
  readonly lackedBy: readonly string[];
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

type Ask = (name: string) => Answer;

/** Whether everything that an instruction needs is there. */
function together({ features, oneOf }: Requirements, ask: Ask): Answer {
  const any = oneOf.length === 0 ? [] : [combine(oneOf.map(ask), true)];
  return combine([combine(features.map(ask), false), ...any], false);
}

interface Members {
  readonly of: Holders["of"];
  readonly members: readonly { readonly name: string; readonly ask: Ask }[];
}

/** Whom to ask: the nodes, else the classes of the plan. */
function membersOf({ nodes = [], plan }: CrashContext): Members | undefined {
  if (nodes.length > 0) {
    const member = (node: NodeProfile) => ({
      name: node.name,
      ask: (name: string) => offersFeature(node, name),
    });
    return { of: "node", members: nodes.map(member) };
  }
  if (plan === undefined) return undefined;
  const members = plan.classes.map((planned) => ({
    name: planned.id,
    ask: (name: string) => classOffersFeature(plan, planned, name),
  }));
  return { of: "class", members };
}

function holdersOf(requirements: Requirements, { of, members }: Members): Holders {
  const answers = members.map(({ name, ask }) => ({ name, answer: together(requirements, ask) }));
  const named = (wanted: Answer) =>
    answers.filter(({ answer }) => answer === wanted).map(({ name }) => name);
  return { of, have: named("yes"), lack: named("no"), unknown: named("unknown") };
}

/** All answers about an instruction's features. */
export function gather(requirements: Requirements, context: CrashContext): Evidence {
  const { contract, plan } = context;
  const { features, oneOf } = requirements;
  const promises = contract && ((name: string) => promisesFeature(contract, name));
  const plans = plan && ((name: string) => planHasFeature(plan, name));
  const asked = membersOf(context);
  return {
    features: [...features, ...oneOf].map((name) => {
      const row = fieldByName(name);
      return {
        name,
        title: row?.title ?? "",
        address: row === undefined ? "" : fieldAddress(row),
        promised: promises?.(name),
        planned: plans?.(name),
        lackedBy: (asked?.members ?? [])
          .filter(({ ask }) => ask(name) === "no")
          .map((member) => member.name),
      };
    }),
    anySuffices: features.length === 0 && oneOf.length > 1,
    promised: promises && together(requirements, promises),
    planned: plans && together(requirements, plans),
    holders: asked && holdersOf(requirements, asked),
  };
}

/** An instruction that needs nothing else cannot be missing. */
export function isBaseline({ features, oneOf }: Requirements): boolean {
  return oneOf.length === 0 && features.every((name) => BASELINE.has(name));
}
