/** From instructions by function to features of the file: counts, examples, and when they run. */
import { hexAddress } from "../elf/numbers.ts";
import { GRADES, type Grade } from "../code/function-code.ts";
import { isExcused } from "./excuses.ts";
import type { Findings } from "../flow/findings.ts";
import { isVariantName, pathTo, type Reach } from "./guard.ts";
import { USES, type Example, type FeatureUse, type Use } from "./result.ts";
import type { Asking } from "./asks.ts";
import type { ReadCode, ReadFunction } from "./walk.ts";

const EXAMPLES = 3;

interface Site {
  readonly f: ReadFunction;
  readonly counts: [number, number, number];
  use: Use | "pointed";
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
  /** Whether one of them is the program's own: not the C library's or the compiler's. */
  readonly ownDispatcher: boolean;
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

/** Whether the program itself runs a feature's instructions only where it was told that it may. */
function isDispatched(sites: readonly Site[], judging: Judging): boolean {
  return sites.some(({ f, use }) => {
    if (use !== "chosen") return false;
    const { reach } = judging;
    if (reach.dispatched.has(f)) return true;
    return reach.direct.has(f) && judging.findings(f)?.chooses === true;
  });
}

/** `pointed`: to be decided when all sites are known. */
function useOf(feature: string, site: Site, code: ReadCode, judging: Judging): Use | "pointed" {
  const { f } = site;
  const { reach, dispatchers } = judging;
  if (reach.always.has(f) && straightFeatures(f, code).has(feature)) return "always";
  if (isExcused(feature, [f], dispatchers)) return "chosen";
  if (runsOpenly(feature, site, code, judging)) {
    if (!judging.asks) return "unasked";
    const path = pathTo(reach.open, f);
    if (isExcused(feature, path, dispatchers)) return "chosen";
    if (reach.direct.has(f)) return "unguarded";
    // A library that calls what is named for a kind of CPU has asked, somewhere, for its caller.
    const named = path.some(({ name }) => isVariantName(name));
    if (!reach.started.has(f)) return named ? "chosen" : "unclear";
    // Through pointers, a program that chooses by name elsewhere may as well choose by pointer.
    return named || judging.ownDispatcher ? "chosen" : "pointed";
  }
  if (judging.library) return judging.asks ? "chosen" : "unasked";
  const answered = reach.open.has(f) || reach.guarded.has(f) || judging.asking.choosers.has(f);
  return answered || judging.ownDispatcher || isVariantName(f.name) ? "chosen" : "unreached";
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
  const pointed: Use = isDispatched(relevant, judging) ? "chosen" : "unguarded";
  for (const site of relevant) if (site.use === "pointed") site.use = pointed;
  const useIn = ({ use }: Site) => (use === "pointed" ? pointed : use);
  const ordered = relevant.toSorted(
    (a, b) =>
      USES.indexOf(useIn(a)) - USES.indexOf(useIn(b)) ||
      gradeOf(a) - gradeOf(b) ||
      Number(a.f.name === undefined) - Number(b.f.name === undefined) ||
      a.f.start - b.f.start,
  );
  const worst = ordered[0] === undefined ? "chosen" : useIn(ordered[0]);
  const sum = (grade: 0 | 1 | 2) => sites.reduce((n, { counts }) => n + counts[grade], 0);
  const instructions = { certain: sum(0), likely: sum(1), doubtful: sum(2) };
  return {
    feature,
    use: worst,
    sure: GRADES.find((grade) => instructions[grade] > 0) ?? ("doubtful" satisfies Grade),
    instructions,
    functions: relevant.length,
    examples: ordered
      .filter(({ use }) => use === worst)
      .slice(0, EXAMPLES)
      .map((site) => exampleOf(site, judging)),
  };
}

export function featuresOf(code: ReadCode, judging: Judging): FeatureUse[] {
  return [...sitesByFeature(code)]
    .map(([feature, sites]) => featureUse(feature, sites, code, judging))
    .toSorted((a, b) => (a.feature < b.feature ? -1 : 1));
}
