/** `evenkeel plan`: one guest CPU for these nodes, a template per class, and what it costs. */
import {
  ALL_LINES,
  anyPlanToJson,
  formatTemplate,
  knownLine,
  parseIdentity,
  planAny,
  prettyJson,
  type ArmPlan,
  type CpuTemplate,
  type Plan,
  type Refusal,
} from "@evenkeel/core";
import { CliError } from "../errors.ts";
import { profileLoader } from "../input/documents.ts";
import { refuseStdinTwice } from "../input/read.ts";
import { writePlanFiles, type OutputFile } from "../output/write-files.ts";
import { armReport } from "../render/arm-report.ts";
import { planReport } from "../render/plan-report.ts";
import { refusalReport } from "../render/refusal.ts";

export interface PlanFlags {
  readonly out?: string;
  readonly firecracker?: readonly string[];
  readonly identity: string;
  readonly json?: boolean;
}

/** `plan.json` comes last: it names the others. */
function outputFiles(plan: Plan | ArmPlan): OutputFile[] {
  const classes: readonly { file: string; template: CpuTemplate }[] = plan.classes;
  const templates = new Map(classes.map(({ file, template }) => [file, template]));
  return [
    ...[...templates].map(([path, template]) => ({ path, text: formatTemplate(template) })),
    { path: "plan.json", text: prettyJson(anyPlanToJson(plan)) },
  ];
}

function refuse(refusals: readonly Refusal[], json: boolean): number {
  if (json) process.stdout.write(prettyJson({ refused: refusals }));
  process.stderr.write(refusalReport(refusals));
  return 1;
}

function report(plan: Plan | ArmPlan, out: string | undefined): string {
  return plan.arch === "aarch64" ? armReport(plan, out) : planReport(plan, out);
}

export function runPlan(files: readonly string[], flags: PlanFlags): number {
  if (files.length === 0) throw new CliError("USAGE", "no profile is named");
  refuseStdinTwice(files);
  const identity = parseIdentity(flags.identity);
  const versions = flags.firecracker?.flatMap((list) => list.split(",")) ?? ALL_LINES;
  const firecracker = [...new Set(versions.map(knownLine))];
  const result = planAny(files.map(profileLoader()), { identity, firecracker });
  if (!result.ok) return refuse(result.refusals, flags.json === true);
  if (flags.out !== undefined) writePlanFiles(flags.out, outputFiles(result.plan));
  process.stdout.write(
    flags.json === true ? prettyJson(anyPlanToJson(result.plan)) : report(result.plan, flags.out),
  );
  return 0;
}
