/** The plan against Firecracker's built-in templates: what a pool would lose by using one. */
import {
  isAcceptedOn,
  STATIC_TEMPLATES,
  type StaticTemplate,
} from "../firecracker/static-templates.ts";
import type { NodeClass } from "../profile/class.ts";
import { fieldByName } from "../tables/lookup.ts";
import type { Plan } from "./plan.ts";

export interface StaticComparison {
  readonly name: string;
  /** Features of the plan's guest CPU that this template hides. */
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

export function hiddenFeatures(plan: Plan, hides: readonly string[]): string[] {
  return withDependents(plan.guest.features, new Set(hides));
}

/** Whether Firecracker 1.12 and later take a built-in template on a class's model. */
export function isMeantFor(row: StaticTemplate, { model }: NodeClass): boolean {
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
