/** `evenkeel lint`: is this template, or this plan's, right for these nodes and versions? */
import { existsSync, statSync } from "node:fs";
import {
  ALL_LINES,
  isAccepted,
  knownLine,
  lintTemplate,
  prettyJson,
  type LintFinding,
  type NodeProfile,
} from "@evenkeel/core";
import { CliError } from "../errors.ts";
import { loadDocument, profileLoader, type ReadFlags } from "../input/documents.ts";
import { refuseStdinTwice } from "../input/read.ts";
import { planTemplates } from "../input/shape.ts";
import { namedTemplate } from "../input/templates.ts";
import { lintReport, type LintedNode } from "../render/lint.ts";

export interface LintFlags extends ReadFlags {
  readonly node?: readonly string[];
  readonly firecracker?: readonly string[];
  readonly json?: boolean;
}

type Lint = (profile: NodeProfile) => LintFinding[] | undefined;

function isPlan(name: string): boolean {
  if (name === "-" || !existsSync(name)) return false;
  return statSync(name).isDirectory() || loadDocument(name).kind === "plan";
}

/** Each node with its class's template; what was accepted when it was planned is no error. */
function lintOfPlan(path: string, asked: readonly string[] | undefined): Lint {
  const { plan, classFor, templateFor } = planTemplates(path);
  const lines = asked ?? plan.firecracker;
  return (profile) => {
    const linted = { template: templateFor(profile), builtIn: undefined };
    const { id } = classFor(profile);
    return lintTemplate(linted, profile, lines)?.map((finding) =>
      isAccepted(plan.accepted, id, finding)
        ? { ...finding, severity: "warning", fix: "The plan accepts it (plan --accept)." }
        : finding,
    );
  };
}

function lintOf(name: string, lines: readonly string[]): Lint {
  const { templateFor, builtIn, armBuiltIn } = namedTemplate(name);
  const linted = { template: templateFor(lines.at(-1) ?? ""), builtIn, armBuiltIn };
  return (profile) => lintTemplate(linted, profile, lines);
}

export function runLint(name: string, flags: LintFlags): number {
  const files = flags.node ?? [];
  if (files.length === 0) throw new CliError("USAGE", "name at least one profile with --node");
  refuseStdinTwice([name, ...files]);
  const versions = flags.firecracker?.flatMap((list) => list.split(","));
  const asked = versions === undefined ? undefined : [...new Set(versions.map(knownLine))];
  const lint = isPlan(name) ? lintOfPlan(name, asked) : lintOf(name, asked ?? ALL_LINES);
  const results = files.map(profileLoader(flags)).map((profile): LintedNode => {
    const findings = lint(profile);
    if (findings !== undefined) return { node: profile.name, findings };
    throw new CliError("USAGE", `${profile.name}: nothing is known about its vendor`);
  });
  process.stdout.write(flags.json === true ? prettyJson({ results }) : lintReport(name, results));
  const bad = results.some(({ findings }) => findings.some(({ severity }) => severity === "error"));
  return bad ? 1 : 0;
}
