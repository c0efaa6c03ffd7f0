/** A built-in template on a planned pool: may it be used, is it sound, what does it cost? */
import { predictContract } from "../contract/make.ts";
import { fail } from "../errors.ts";
import { buildStaticTemplate } from "../firecracker/static-build.ts";
import {
  isAcceptedOn,
  STATIC_TEMPLATES,
  staticTemplateRow,
  type StaticTemplate,
} from "../firecracker/static-templates.ts";
import type { Plan } from "./plan.ts";
import type { NodeClass } from "../profile/class.ts";
import type { NodeProfile } from "../profile/profile.ts";
import type { Verdict } from "../verdict/finding.ts";
import { judge } from "../verdict/judge.ts";
import { fieldByName } from "../tables/lookup.ts";

export interface StaticComparison {
  readonly name: string;
  readonly losesMore: readonly string[];
}

/** Follows requirements: a template that hides AVX512F leaves AVX512_BF16 without its base. */
function withDependents(features: readonly string[], hidden: ReadonlySet<string>): string[] {
  const lost = new Set(features.filter((name) => hidden.has(name)));
  let size = -1;
  while (size !== lost.size) {
    size = lost.size;
    for (const name of features) {
      if (fieldByName(name)?.requires.some((needed) => lost.has(needed)) === true) lost.add(name);
    }
  }
  return features.filter((name) => lost.has(name));
}

function hiddenFeatures(plan: Plan, hides: readonly string[]): string[] {
  return withDependents(plan.guest.features, new Set(hides));
}

/** Whether Firecracker 1.12 and later take a built-in template on a class's model. */
function isMeantFor(row: StaticTemplate, { model }: NodeClass): boolean {
  return model.signature !== undefined && isAcceptedOn(row, model.signature);
}

/** The applicable built-in templates, the least costly first. */
export function compareStaticTemplates(plan: Plan): StaticComparison[] {
  return STATIC_TEMPLATES.filter(
    (row) =>
      row.vendor === plan.type && plan.classes.every(({ nodeClass }) => isMeantFor(row, nodeClass)),
  )
    .map(({ name, hides }) => ({ name, losesMore: hiddenFeatures(plan, hides) }))
    .toSorted((a, b) => a.losesMore.length - b.losesMore.length);
}

interface UnsoundPair {
  readonly from: string;
  readonly to: string;
  readonly verdict: Verdict;
  readonly because: readonly string[];
}

export interface StaticAssessment {
  readonly name: string;
  /** Classes that Firecracker 1.12 and later refuse it on. */
  readonly refusedOn: readonly string[];
  readonly unsound: readonly UnsoundPair[];
  readonly losesMore: readonly string[];
}

/** A class as a node of its own; all on one kernel, so that only the CPU is judged. */
function nodeOf({ id, cpu }: NodeClass, line: string): NodeProfile {
  return {
    name: id,
    cpu,
    host: { kernel: "6.1" },
    firecracker: [`${line}.0`],
    provenance: undefined,
    incomplete: [],
    // The plan warns of estimates already; here the template alone is judged.
    estimate: false,
  };
}

function unsoundPairs(row: StaticTemplate, plan: Plan, line: string): UnsoundPair[] {
  const template = buildStaticTemplate(row, line);
  const nodes = plan.classes.map(({ nodeClass }) => nodeOf(nodeClass, line));
  const options = { firecracker: `${line}.0`, vcpus: 1, smt: false, template };
  return nodes.flatMap((from) => {
    const predicted = predictContract(from, options);
    return nodes.flatMap((to): UnsoundPair[] => {
      if (!predicted.ok) {
        const because = predicted.missing;
        return [{ from: from.name, to: to.name, verdict: "incompatible", because }];
      }
      const { verdict, findings } = judge(predicted.contract, to);
      if (verdict === "compatible") return [];
      const reasons = findings.filter(({ severity }) => severity !== "note");
      const because = [...new Set(reasons.map(({ name }) => name))];
      return [{ from: from.name, to: to.name, verdict, because }];
    });
  });
}

export function assessStaticTemplate(plan: Plan, name: string): StaticAssessment {
  const row = staticTemplateRow(name);
  if (row === undefined) {
    return fail("NOT_A_TEMPLATE", `no built-in template is named "${name}"`, "--compare");
  }
  const foreign = row.vendor !== plan.type;
  return {
    name,
    refusedOn: plan.classes
      .filter(({ nodeClass }) => foreign || !isMeantFor(row, nodeClass))
      .map(({ nodeClass }) => nodeClass.id),
    unsound: foreign ? [] : unsoundPairs(row, plan, plan.firecracker.at(-1) ?? ""),
    losesMore: hiddenFeatures(plan, row.hides),
  };
}
