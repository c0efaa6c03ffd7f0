/** What an operator asks of a pool: features it must have, and features it must not have. */
import { fail } from "../errors.ts";
import { fieldAddress } from "../format/address.ts";
import { didYouMean } from "../format/suggest.ts";
import { listOf } from "../format/text.ts";
import type { NodeClass } from "../profile/class.ts";
import { LEVELS } from "../tables/levels.ts";
import { CPUID_FIELDS, fieldByName, MSR_FIELDS } from "../tables/lookup.ts";
import { has, type Merged } from "./merge.ts";
import { refusal, type Refusal } from "./refuse.ts";

function featureNames(): string[] {
  const fields = [...CPUID_FIELDS, ...MSR_FIELDS].filter(({ kind }) => kind === "feature");
  return [...fields.map(({ name }) => name), ...LEVELS.map(({ name }) => name)];
}

/** Features by name, and levels such as `x86-64-v3` as the features they stand for. */
export function parseFeatures(names: readonly string[], option: string): string[] {
  const wanted = names.flatMap((list) => list.split(",")).filter((name) => name !== "");
  return wanted.flatMap((name) => {
    const level = LEVELS.findIndex((l) => l.name === name);
    if (level !== -1) return LEVELS.slice(0, level + 1).flatMap(({ features }) => features);
    if (fieldByName(name)?.kind === "feature") return [name];
    const meant = didYouMean(name, featureNames());
    return fail("UNKNOWN_FEATURE", `"${name}" is neither a feature nor a level${meant}`, option);
  });
}

export function forbid(merged: Merged, names: readonly string[]): void {
  for (const name of names) {
    const feature = merged.features.get(name);
    if (feature === undefined || feature.value === 0n) continue;
    feature.value = 0n;
    feature.reason = { kind: "forbidden" };
  }
}

function explain(name: string, merged: Merged, classes: readonly NodeClass[]) {
  const { reason, values } = merged.features.get(name) ?? {};
  if (reason?.kind === "forbidden") return { why: "it was forbidden", lacking: [] };
  if (reason?.kind === "requires") {
    return { why: `it needs ${reason.feature}, which was dropped`, lacking: [] };
  }
  const lacking = classes.filter((_, i) => (values?.[i] ?? 0n) === 0n);
  const ids = lacking.map(({ id }) => id);
  return { why: ids.length > 0 ? `${listOf(ids)} lacks it` : "it cannot be kept", lacking };
}

/** The required features that the pool does not have, with the classes in the way. */
export function unmetRequirements(
  required: readonly string[],
  merged: Merged,
  classes: readonly NodeClass[],
): Refusal[] {
  const missing = required.filter((name) => !has(merged, name));
  return [...new Set(missing)].map((name) => {
    const { why, lacking } = explain(name, merged, classes);
    const field = fieldByName(name);
    const address = field === undefined ? "" : ` (${fieldAddress(field)})`;
    const hint = "Leave those classes out (--without CLASS), or split the pool (--split K).";
    const nodes = lacking.flatMap((c) => c.nodes);
    return refusal("requirement", `${name}${address} is required: ${why}`, hint, nodes);
  });
}

/** Classes without those named by id, or by the model at the id's beginning. */
export function withoutClasses(
  classes: readonly NodeClass[],
  names: readonly string[],
): NodeClass[] {
  const named = (id: string, name: string) => id === name || id.startsWith(`${name}-`);
  for (const name of names) {
    if (classes.some(({ id }) => named(id, name))) continue;
    const ids = classes.map(({ id }) => id);
    const meant = didYouMean(name, [...ids, ...ids.map((id) => id.replace(/-[0-9a-f]+$/, ""))]);
    const message = `no class is called "${name}"${meant}; the classes are ${listOf(ids)}`;
    fail("UNKNOWN_CLASS", message, "--without");
  }
  const rest = classes.filter(({ id }) => !names.some((name) => named(id, name)));
  return rest.length > 0 ? rest : fail("EMPTY_POOL", "no class is left", "--without");
}
