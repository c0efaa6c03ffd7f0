/** `evenkeel lint`: is this template right for these nodes and versions? */
import { ALL_LINES, knownLine, lintTemplate, prettyJson } from "@evenkeel/core";
import { CliError } from "../errors.ts";
import { profileLoader, type ReadFlags } from "../input/documents.ts";
import { refuseStdinTwice } from "../input/read.ts";
import { namedTemplate } from "../input/templates.ts";
import { lintReport, type LintedNode } from "../render/lint.ts";

export interface LintFlags extends ReadFlags {
  readonly node?: readonly string[];
  readonly firecracker?: readonly string[];
  readonly json?: boolean;
}

export function runLint(name: string, flags: LintFlags): number {
  const files = flags.node ?? [];
  if (files.length === 0) throw new CliError("USAGE", "name at least one profile with --node");
  refuseStdinTwice([name, ...files]);
  const versions = flags.firecracker?.flatMap((list) => list.split(",")) ?? ALL_LINES;
  const lines = [...new Set(versions.map(knownLine))];
  const { templateFor, builtIn, armBuiltIn } = namedTemplate(name);
  const linted = { template: templateFor(lines.at(-1) ?? ""), builtIn, armBuiltIn };
  const results = files.map(profileLoader(flags)).map((profile): LintedNode => {
    const findings = lintTemplate(linted, profile, lines);
    if (findings !== undefined) return { node: profile.name, findings };
    throw new CliError("USAGE", `${profile.name}: nothing is known about its vendor`);
  });
  process.stdout.write(flags.json === true ? prettyJson({ results }) : lintReport(name, results));
  const bad = results.some(({ findings }) => findings.some(({ severity }) => severity === "error"));
  return bad ? 1 : 0;
}
