/** From instructions by function to features of the file: counts, examples, and when they run. */
import { hexAddress } from "../elf/numbers.ts";
import { GRADES, type Grade } from "./decode.ts";
import { isExcused } from "./excuses.ts";
import type { Findings } from "../flow/follow.ts";
import { isVariantName, pathTo, type Reach } from "./guard.ts";
import { USES, type Example, type FeatureUse, type Use } from "./result.ts";
import type { Asking } from "./asks.ts";
import type { ReadCode, ReadFunction } from "./walk.ts";

const EXAMPLES = 3;

interface Site {
  readonly f: ReadFunction;
  readonly counts: [number, number, number];
  use: Use;
}

function displayName({ name, start }: ReadFunction): string {
  return name ?? `fn ${hexAddress(start)}`;
}

/** Counts by feature and function. */
function sitesByFeature({ functions, table }: ReadCode): Map<string, Site[]> {
  const all = new Map<string, Site[]>();
  for (const f of functions) {
    const sites = new Map<string, Site>();
    for (const [key, n] of f.code.uses) {
      for (const feature of table.sets[table.needs[Math.floor(key / 3)] ?? 0] ?? []) {
        const site = sites.get(feature) ?? { f, counts: [0, 0, 0], use: "chosen" };
        site.counts[(key % 3) as 0 | 1 | 2] += n;
        sites.set(feature, site);
      }
    }
    for (const [feature, site] of sites) {
      const list = all.get(feature);
      if (list === undefined) all.set(feature, [site]);
      else list.push(site);
    }
  }
  return all;
}

export interface Judging {
  readonly asking: Asking;
  readonly reach: Reach;
  readonly findings: (f: ReadFunction) => Findings | undefined;
  /** Functions that act on an answer and could not be followed. */
  readonly opaque: (f: ReadFunction) => boolean;
  readonly library: boolean;
  /** Whether anything in the file asks the CPU, or ld.so did. */
  readonly asks: boolean;
  /** Names of known dispatchers in the file. */
  readonly dispatchers: ReadonlySet<string>;
}

function straightFeatures(f: ReadFunction, { table }: ReadCode): Set<string> {
  const codes = [...f.code.straight];
  return new Set(codes.flatMap((code) => table.sets[table.needs[code] ?? 0] ?? []));
}

/** Whether a feature's instructions in a function run on a CPU that answers no. */
function runsOpenly(feature: string, site: Site, { table }: ReadCode, judging: Judging): boolean {
  const { f } = site;
  if (!judging.reach.open.has(f)) return false;
  const findings = judging.findings(f);
  if (findings === undefined) return !judging.opaque(f);
  const needs = [...findings.open].flatMap((code) => table.sets[table.needs[code] ?? 0] ?? []);
  return needs.includes(feature);
}

function useOf(feature: string, site: Site, code: ReadCode, judging: Judging): Use {
  const { f } = site;
  const { reach, dispatchers } = judging;
  if (reach.always.has(f) && straightFeatures(f, code).has(feature)) return "always";
  if (isExcused(feature, [f], dispatchers)) return "chosen";
  if (runsOpenly(feature, site, code, judging)) {
    if (!judging.asks) return "unasked";
    if (isExcused(feature, pathTo(reach.open, f), dispatchers)) return "chosen";
    return reach.started.has(f) ? "unguarded" : "unclear";
  }
  if (judging.library) return judging.asks ? "chosen" : "unasked";
  const answered = reach.open.has(f) || reach.guarded.has(f) || judging.asking.choosers.has(f);
  return answered || isVariantName(f.name) ? "chosen" : "unreached";
}

function gradeOf({ counts }: Site): number {
  return counts.findIndex((n) => n > 0);
}

function exampleOf({ f, use }: Site, { reach }: Judging): Example {
  const example = { name: displayName(f), address: hexAddress(f.start) };
  if (use !== "unclear" && use !== "unguarded") return example;
  return { ...example, path: pathTo(reach.open, f).map(displayName) };
}

function featureUse(
  feature: string,
  sites: readonly Site[],
  code: ReadCode,
  judging: Judging,
): FeatureUse {
  // What is probably data does not decide when the feature is used, unless it is all there is.
  const believed = sites.filter((site) => gradeOf(site) < GRADES.indexOf("doubtful"));
  const relevant = believed.length > 0 ? believed : sites;
  for (const site of relevant) site.use = useOf(feature, site, code, judging);
  const ordered = relevant.toSorted(
    (a, b) =>
      USES.indexOf(a.use) - USES.indexOf(b.use) ||
      gradeOf(a) - gradeOf(b) ||
      Number(a.f.name === undefined) - Number(b.f.name === undefined) ||
      a.f.start - b.f.start,
  );
  const sum = (grade: 0 | 1 | 2) => sites.reduce((n, { counts }) => n + counts[grade], 0);
  const instructions = { certain: sum(0), likely: sum(1), doubtful: sum(2) };
  return {
    feature,
    use: ordered[0]?.use ?? "chosen",
    sure: GRADES.find((grade) => instructions[grade] > 0) ?? ("doubtful" satisfies Grade),
    instructions,
    functions: relevant.length,
    examples: ordered
      .filter(({ use }) => use === ordered[0]?.use)
      .slice(0, EXAMPLES)
      .map((site) => exampleOf(site, judging)),
  };
}

export function featuresOf(code: ReadCode, judging: Judging): FeatureUse[] {
  return [...sitesByFeature(code)]
    .map(([feature, sites]) => featureUse(feature, sites, code, judging))
    .toSorted((a, b) => (a.feature < b.feature ? -1 : 1));
}
