/** `evenkeel plan`: one guest CPU for these nodes, a template per class, and what it costs. */
import { join } from "node:path";
import {
  ALL_LINES,
  assessStaticTemplate,
  didYouMean,
  EMITTERS,
  formatTemplate,
  knownLine,
  parseFeatures,
  parseIdentity,
  planPool,
  planPools,
  planToJson,
  prettyJson,
  requireCatalogueProfile,
  type Accept,
  type Monitor,
  type NodeProfile,
  type Plan,
  type PlanOptions,
  type PlanResult,
  type Refusal,
  type StaticAssessment,
} from "@evenkeel/core";
import { CliError } from "../errors.ts";
import type { ReadFlags } from "../input/documents.ts";
import { examplePool } from "../input/example.ts";
import { loadNodes } from "../input/node-files.ts";
import { writePlanFiles, type OutputFile } from "../output/write-files.ts";
import { assessmentReport } from "../render/assessment.ts";
import { planReport } from "../render/plan-report.ts";
import { treeReport } from "../render/pools.ts";
import { unsaidReport } from "../render/unsaid.ts";
import { refusalReport } from "../render/refusal.ts";

export interface PlanFlags extends ReadFlags {
  readonly with?: readonly string[];
  readonly example?: boolean;
  readonly out?: string;
  readonly firecracker?: readonly string[];
  readonly identity: string;
  readonly require?: readonly string[];
  readonly forbid?: readonly string[];
  readonly without?: readonly string[];
  readonly compare?: readonly string[];
  readonly accept?: string;
  readonly split?: string;
  readonly maxLoss?: string;
  readonly emit?: string;
  readonly json?: boolean;
}

/** `plan.json` comes last: it names the others. */
export function outputFiles(plan: Plan): OutputFile[] {
  const templates = new Map(plan.classes.map(({ file, template }) => [file, template]));
  return [
    ...[...templates].map(([path, template]) => ({ path, text: formatTemplate(template) })),
    { path: "plan.json", text: prettyJson(planToJson(plan)) },
  ];
}

function refuse(refusals: readonly Refusal[], nodes: number, json: boolean): number {
  if (json) process.stdout.write(prettyJson({ refused: refusals }));
  process.stderr.write(refusalReport(refusals, nodes));
  return 1;
}

function optionsOf(flags: PlanFlags): PlanOptions {
  const versions = flags.firecracker?.flatMap((list) => list.split(",")) ?? ALL_LINES;
  return {
    identity: parseIdentity(flags.identity),
    firecracker: [...new Set(versions.map(knownLine))],
    require: parseFeatures(flags.require ?? [], "--require"),
    forbid: parseFeatures(flags.forbid ?? [], "--forbid"),
    without: flags.without?.flatMap((list) => list.split(",")) ?? [],
    accept: acceptOf(flags.accept),
  };
}

function acceptOf(text: string | undefined): Accept | undefined {
  if (text === undefined || text === "unknown" || text === "insecure") return text;
  throw new CliError("USAGE", `--accept must be unknown or insecure, but is "${text}"`);
}

function countOf(text: string | undefined, option: string, least: number): number | undefined {
  if (text === undefined) return undefined;
  const count = Number(text);
  if (Number.isInteger(count) && count >= least) return count;
  throw new CliError("USAGE", `${option} must be a whole number from ${least}, but is "${text}"`);
}

function assess(plan: Plan, names: readonly string[]): StaticAssessment[] {
  if (names.length === 0) return [];
  if (plan.type === "aarch64") throw new CliError("USAGE", "--compare is for x86 pools");
  return names.map((name) => assessStaticTemplate(plan, name));
}

function monitorOf(name: string | undefined): Monitor | undefined {
  if (name === undefined) return undefined;
  const known = Object.keys(EMITTERS);
  if (Object.hasOwn(EMITTERS, name)) return name as Monitor;
  throw new CliError(
    "USAGE",
    `--emit must be one of ${known.join(", ")}, but is "${name}"${didYouMean(name, known)}`,
  );
}

/**
 * What the monitor cannot express goes to standard error. Exit code 1 if leaving it out is unsafe.
 */
function emitFor(monitor: Monitor, plan: Plan, json: boolean): number {
  const { text, unsaid } = EMITTERS[monitor](plan);
  process.stdout.write(json ? prettyJson({ monitor, text, unsaid }) : text);
  if (!json) process.stderr.write(unsaidReport(unsaid));
  return unsaid.every(({ effect }) => effect === "given up") ? 0 : 1;
}

/** Options that shape an x86 pool and have no meaning for ID registers. */
const X86_OPTIONS = ["require", "forbid", "without", "emit"] as const;

function refuseX86Options(profiles: readonly NodeProfile[], flags: PlanFlags): void {
  if (profiles[0]?.cpu.arch !== "aarch64") return;
  const given = X86_OPTIONS.find((option) => flags[option] !== undefined);
  if (given !== undefined) throw new CliError("USAGE", `--${given} is for x86 pools`);
}

function planOne(profiles: readonly NodeProfile[], flags: PlanFlags): number {
  const monitor = monitorOf(flags.emit);
  const result = planPool(profiles, optionsOf(flags));
  if (!result.ok) return refuse(result.refusals, profiles.length, flags.json === true);
  const { plan } = result;
  const assessments = assess(plan, flags.compare ?? []);
  if (flags.out !== undefined) writePlanFiles(flags.out, outputFiles(plan));
  if (monitor !== undefined) return emitFor(monitor, plan, flags.json === true);
  if (flags.json === true) {
    const compared = assessments.length > 0 ? { builtIn: assessments } : {};
    process.stdout.write(prettyJson({ ...planToJson(plan), ...compared }));
  } else {
    process.stdout.write(planReport(plan, flags.out));
    for (const assessment of assessments) process.stdout.write(assessmentReport(assessment));
  }
  return 0;
}

function plansOf(results: readonly PlanResult[]): { plans: Plan[]; refusals: Refusal[] } {
  return {
    plans: results.flatMap((result) => (result.ok ? [result.plan] : [])),
    refusals: results.flatMap((result) => (result.ok ? [] : result.refusals)),
  };
}

function planSeveral(profiles: readonly NodeProfile[], flags: PlanFlags): number {
  const pools = countOf(flags.split, "--split", 1);
  const maxLoss = countOf(flags.maxLoss, "--max-loss", 0);
  const planned = planPools(profiles, optionsOf(flags), {
    ...(pools === undefined ? {} : { pools }),
    ...(maxLoss === undefined ? {} : { maxLoss }),
  });
  if ("ok" in planned) return refuse(planned.refusals, profiles.length, flags.json === true);
  const { plans, refusals } = plansOf(planned.pools);
  if (refusals.length > 0) return refuse(refusals, profiles.length, flags.json === true);
  const directories = plans.map((_, i) =>
    flags.out === undefined ? undefined : join(flags.out, `pool-${i + 1}`),
  );
  for (const [i, plan] of plans.entries()) {
    const directory = directories[i];
    if (directory !== undefined) writePlanFiles(directory, outputFiles(plan));
  }
  if (flags.json === true) {
    process.stdout.write(prettyJson({ pools: plans.map(planToJson), tree: planned.tree }));
    return 0;
  }
  process.stdout.write(treeReport(plans.length, planned.tree));
  const reports = plans.map((plan, i) => `Pool ${i + 1}\n\n${planReport(plan, directories[i])}`);
  process.stdout.write(reports.join("\n"));
  return 0;
}

export function runPlan(files: readonly string[], flags: PlanFlags): number {
  const models = [...new Set(flags.with)];
  const examples = flags.example === true ? examplePool() : [];
  if (files.length + models.length + examples.length === 0) {
    throw new CliError("USAGE", "no profile is named; --example plans the example pool");
  }
  const several = flags.split !== undefined || flags.maxLoss !== undefined;
  if (several && flags.compare !== undefined) {
    throw new CliError("USAGE", "--compare is for one pool, not for several");
  }
  if (several && flags.emit !== undefined) {
    throw new CliError("USAGE", "--emit is for one pool, not for several");
  }
  optionsOf(flags);
  const estimates = models.map(requireCatalogueProfile);
  const read = loadNodes(files, flags).map(({ profile }) => profile);
  const profiles = [...read, ...examples, ...estimates];
  refuseX86Options(profiles, flags);
  return several ? planSeveral(profiles, flags) : planOne(profiles, flags);
}
