/**
 * Whether a file was built with a feature as a whole (`-march=x86-64-v3`). Compilers that may use
 * AVX use it for all that code does with floating-point numbers and vectors; a file that chooses
 * has some functions with it, and the plain form everywhere else.
 */
import type { FeatureUse } from "./result.ts";
import type { ReadCode } from "./walk.ts";

/** Fewer functions than this prove nothing: a library may be one algorithm in several variants. */
const ENOUGH_FUNCTIONS = 200;
/** For so many functions with AVX there is at most one in the plain form: of assembly, of libc. */
const PLAIN_SHARE = 1 / 4;
/** A file with a dispatcher of its own may hold many variants for each plain form. */
const PLAIN_SHARE_BESIDE_VARIANTS = 1 / 100;

/** What comes with AVX when a compiler is told of a whole level, and is used as widely. */
const WITH_AVX: ReadonlySet<string> = new Set("AVX AVX2 BMI1 BMI2 FMA MOVBE LZCNT F16C".split(" "));
/** A feature of the level that so many of these functions use is part of what they were built for. */
const SHARE = 1 / 50;

export function throughoutOf(
  { functions, table }: ReadCode,
  features: readonly FeatureUse[],
  ownDispatcher: boolean,
): string[] {
  const share = ownDispatcher ? PLAIN_SHARE_BESIDE_VARIANTS : PLAIN_SHARE;
  let [wide, plain] = [0, 0];
  for (const { code } of functions) {
    const uses = [...code.uses.keys()].some((key) => {
      const needs = table.sets[table.needs[Math.floor(key / 3)] ?? 0] ?? [];
      return needs.includes("AVX") && key % 3 !== 2;
    });
    if (uses) wide += 1;
    else if (code.plainFloats > 0) plain += 1;
  }
  if (wide < ENOUGH_FUNCTIONS || plain > wide * share) return [];
  return features
    .filter(({ feature, functions: count }) => WITH_AVX.has(feature) && count >= wide * SHARE)
    .map(({ feature }) => feature);
}
