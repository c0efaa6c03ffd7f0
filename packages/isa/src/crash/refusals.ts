/**
 * Programs and loaders that say which features they miss instead of dying of SIGILL, or before.
 * Each row names whose message it is and where its text is from.
 */
import { basename } from "node:path";
import { fieldByForeignName, LEVELS, listOf } from "@evenkeel/core";
import { otherBuild } from "./builds.ts";
import { few, story, type Facts, type Story } from "./facts.ts";
import { mappingOf, siteOf, type CrashSite, type ReportFormat } from "./site.ts";

interface Refusal {
  readonly who: string;
  /** Whether it speaks of a program that it does not name. */
  readonly ofAnother?: true;
  /** Group `names`: levels or features; group `file`: the file that was refused. */
  readonly pattern: RegExp;
  /** Where the names stand in a line that follows. */
  readonly later?: RegExp;
  /** It goes on, and dies when it executes what is missing. */
  readonly warning?: true;
  readonly reference: string;
}

const REFUSALS: readonly Refusal[] = [
  {
    who: "glibc",
    ofAnother: true,
    pattern: /Fatal glibc error: CPU does not support (?<names>x86-64-v[234])/,
    reference: "https://sourceware.org/git/?p=glibc.git;f=sysdeps/x86/cpu-features.c",
  },
  {
    who: "ld.so",
    ofAnother: true,
    pattern: /(?:^|[\s'"])(?<file>[^\s:'"]{1,255}): CPU ISA level is lower than required/,
    reference: "https://sourceware.org/git/?p=glibc.git;f=sysdeps/x86/dl-cpu-features.c",
  },
  {
    who: "Go",
    ofAnother: true,
    pattern:
      /This program can only be run on AMD64 processors with (?<names>v[234]) microarchitecture/,
    reference: "https://github.com/golang/go/blob/master/src/runtime/asm_amd64.s",
  },
  {
    who: "MongoDB",
    pattern: /MongoDB [\d.]+\+ requires a CPU with (?<names>AVX) support/,
    warning: true,
    reference: "https://github.com/docker-library/mongo/blob/master/docker-entrypoint.sh",
  },
  {
    who: "polars",
    pattern: /Missing required CPU features\./,
    later: /^\s+(?<names>[a-z0-9_.]+(?:, [a-z0-9_.]+)*)\s*$/,
    warning: true,
    reference: "https://github.com/pola-rs/polars/blob/main/py-polars/src/polars/_cpu_check.py",
  },
  {
    who: "NumPy",
    pattern: /NumPy was built with baseline optimizations:/,
    later: /^(?!.*built with)\((?<names>[A-Z0-9_ ]+)\)\.?\s*$/,
    reference: "https://github.com/numpy/numpy/blob/main/numpy/_core/src/common/npy_cpu_features.c",
  },
  {
    who: "TensorFlow",
    pattern:
      /TensorFlow library was compiled to use (?<names>[\w.]+(?:,? (?:and )?[\w.]+)*) instructions, but these aren't available/,
    reference:
      "https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/platform/cpu_feature_guard.cc",
  },
  {
    who: "bun",
    pattern: /CPU lacks (?<names>AVX2?) support/,
    warning: true,
    reference: "https://github.com/oven-sh/bun/blob/main/src/crash_handler.zig",
  },
  {
    who: "ClickHouse",
    pattern: /Instruction check fail\. The CPU does not support (?<names>[\w.]+) instruction set/,
    reference: "https://github.com/ClickHouse/ClickHouse/blob/master/programs/main.cpp",
  },
];

/** `x86-64-v3`, `v3` and NumPy's `X86_V3` are a level and all below it. */
function levelFeatures(name: string): string[] | undefined {
  const digit = /^(?:x86[-_](?:64-)?)?v([234])$/i.exec(name)?.[1];
  const last = LEVELS.findIndex((level) => level.name === `x86-64-v${digit}`);
  return last === -1 ? undefined : LEVELS.slice(0, last + 1).flatMap(({ features }) => features);
}

/** Rows of `core` by the names that messages use. */
export function featuresNamed(text: string): string[] {
  const names = text.split(/[\s,]+/).filter((name) => name !== "" && name !== "and");
  const features = names.flatMap((name) => {
    const row = fieldByForeignName("intel", name);
    return levelFeatures(name) ?? (row === undefined ? [] : [row.name]);
  });
  return [...new Set(features)];
}

function refusalHead(text: string, line: number): CrashSite | undefined {
  for (const { who, pattern } of REFUSALS) {
    const { groups } = pattern.exec(text) ?? {};
    if (groups === undefined && !pattern.test(text)) continue;
    const file = groups?.["file"];
    const names = groups?.["names"];
    return siteOf({
      report: who,
      fault: "refused",
      words: pattern.exec(text)?.[0].trim() ?? text,
      line,
      ...(file === undefined ? {} : { mapping: mappingOf({ name: basename(file) }) }),
      ...(names === undefined ? {} : { needs: featuresNamed(names) }),
    });
  }
  return undefined;
}

function refusalLine(site: CrashSite, text: string): CrashSite {
  if (site.needs !== undefined) return site;
  const later = REFUSALS.find(({ who }) => who === site.report)?.later;
  const names = later?.exec(text)?.groups?.["names"];
  const needs = names === undefined ? [] : featuresNamed(names);
  return needs.length === 0 ? site : { ...site, needs };
}

export const REFUSED: ReportFormat = { reach: 4, head: refusalHead, more: refusalLine };

function missingFile(file: string | undefined): Story["missing"] {
  return file === undefined
    ? ["The file that it is about (--binary): it declares what it needs."]
    : [`The file ${file} (--binary PATH/${file}): it declares which level it needs.`];
}

/** The level, where the features are all of one's. */
function namesFor(features: readonly string[]): string {
  const level = LEVELS.findLast((row) => row.features.every((name) => features.includes(name)));
  const below = levelFeatures(level?.name ?? "") ?? [];
  const isLevel = level !== undefined && features.every((name) => below.includes(name));
  return isLevel && features.length === below.length ? level.name : listOf(features);
}

/** They ask at their start, so that a snapshot is never the reason. */
export function refusedStory({ site, evidence, context }: Facts): Story {
  const { have = [], lack = [] } = evidence?.holders ?? {};
  const row = REFUSALS.find(({ who }) => who === site.report);
  const file = site.mapping?.name;
  const subject = file ?? (row?.ofAnother === true ? "The program" : site.report);
  const features = evidence?.features ?? [];
  const names = namesFor(features.map(({ name }) => name));
  if (features.length === 0) {
    return story({
      happened: [
        `${subject} was built for a newer CPU than this guest sees, and was refused at its start.`,
      ],
      now: [otherBuild(file, site.report)],
      missing: missingFile(file),
    });
  }
  const gone = features.filter(({ lackedBy }) => lackedBy.length > 0).map(({ name }) => name);
  const hidden = features.filter(({ planned }) => planned === "no").map(({ name }) => name);
  const does =
    row?.warning === true
      ? "warns at its start, and dies of SIGILL where it executes them"
      : "asks at its start, and ends where they are missing";
  return story({
    happened: [
      `${subject} needs ${names}: it ${does}. A snapshot is not the reason: a new guest on the ` +
        "same CPU does the same.",
      ...(lack.length > 0
        ? [`${few(lack)} ${lack.length === 1 ? "lacks" : "lack"} ${few(gone)}.`]
        : []),
      ...(hidden.length > 0
        ? [`The plan hides ${few(hidden)} from guests, as not every node has it.`]
        : []),
    ],
    now: [
      otherBuild(file, site.report),
      ...(have.length > 0 ? [`Until then run it only on ${few(have)}.`] : []),
    ],
    forGood: [
      "Scan images before they ship (evenkeel scan IMAGE --plan DIR), or require what they need of the " +
        `pool (evenkeel plan --require ${gone.length > 0 ? gone.join(" ") : "FEATURE…"}).`,
    ],
    missing:
      context.nodes === undefined && context.plan === undefined
        ? ["The nodes' profiles (--node) or the plan (--plan): which nodes have it."]
        : [],
  });
}
