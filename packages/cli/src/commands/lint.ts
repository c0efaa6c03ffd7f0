/** `evenkeel lint`: is this template right for these nodes and versions? */
import { existsSync } from "node:fs";
import {
  ALL_LINES,
  armBuiltInTemplate,
  buildStaticTemplate,
  knownLine,
  lintTemplate,
  prettyJson,
  staticTemplateRow,
} from "@evenkeel/core";
import { CliError } from "../errors.ts";
import { profileLoader } from "../input/documents.ts";
import { refuseStdinTwice } from "../input/read.ts";
import { loadTemplate } from "../input/shape.ts";
import { lintReport, type LintedNode } from "../render/lint.ts";

export interface LintFlags {
  readonly node?: readonly string[];
  readonly firecracker?: readonly string[];
  readonly json?: boolean;
}

/** A built-in template by its name, unless there is a file of that name. */
function templateOf(name: string, lines: readonly string[]) {
  const isFile = existsSync(name);
  const arm = isFile ? undefined : armBuiltInTemplate(name);
  if (arm !== undefined) return { template: arm, builtIn: undefined };
  const row = isFile ? undefined : staticTemplateRow(name);
  if (row === undefined) return { template: loadTemplate(name), builtIn: undefined };
  return { template: buildStaticTemplate(row, lines.at(-1) ?? ""), builtIn: row };
}

export function runLint(name: string, flags: LintFlags): number {
  const files = flags.node ?? [];
  if (files.length === 0) throw new CliError("USAGE", "name at least one profile with --node");
  refuseStdinTwice([name, ...files]);
  const versions = flags.firecracker?.flatMap((list) => list.split(",")) ?? ALL_LINES;
  const lines = [...new Set(versions.map(knownLine))];
  const linted = templateOf(name, lines);
  const results = files.map(profileLoader()).map((profile): LintedNode => {
    const findings = lintTemplate(linted, profile, lines);
    if (findings !== undefined) return { node: profile.name, findings };
    throw new CliError("USAGE", `${profile.name}: nothing is known about its vendor`);
  });
  process.stdout.write(flags.json === true ? prettyJson({ results }) : lintReport(name, results));
  const bad = results.some(({ findings }) => findings.some(({ severity }) => severity === "error"));
  return bad ? 1 : 0;
}
