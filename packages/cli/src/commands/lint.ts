/** `evenkeel lint`: is this template, or this plan's, right for these nodes and versions? */
import {
  ALL_LINES,
  knownLine,
  prettyJson,
  type LintFinding,
  type NodeProfile,
} from "@evenkeel/core";
import { isPlanned, lintLoaded, type TemplateSource } from "@evenkeel/host/cpu-template";
import { CliError } from "../errors.ts";
import type { ReadFlags } from "../input/documents.ts";
import { loadNodes } from "../input/node-files.ts";
import { refuseStdinTwice } from "../input/read.ts";
import { openNamed } from "../input/template.ts";
import { lintReport, type LintedNode } from "../render/lint.ts";

export interface LintFlags extends ReadFlags {
  readonly node?: readonly string[];
  readonly firecracker?: readonly string[];
  readonly json?: boolean;
}

/** Findings of the node's template; what was accepted when the pool was planned is not an error. */
function lintNode(
  source: TemplateSource,
  profile: NodeProfile,
  asked: readonly string[] | undefined,
): LintFinding[] {
  const loaded = source.forNode(profile);
  const lines = asked ?? loaded.planned?.plan.firecracker ?? ALL_LINES;
  return lintLoaded(loaded, profile, lines).map((finding) =>
    isPlanned(loaded, finding)
      ? { ...finding, severity: "warning", fix: "The plan accepts it (plan --accept)." }
      : finding,
  );
}

export function runLint(name: string, flags: LintFlags): number {
  const files = flags.node ?? [];
  if (files.length === 0) throw new CliError("USAGE", "name at least one profile with --node");
  refuseStdinTwice([name, ...files]);
  const versions = flags.firecracker?.flatMap((list) => list.split(","));
  const asked = versions === undefined ? undefined : [...new Set(versions.map(knownLine))];
  const source = openNamed(name);
  const results = loadNodes(files, flags).map(({ profile }): LintedNode => ({
    node: profile.name,
    findings: lintNode(source, profile, asked),
  }));
  process.stdout.write(flags.json === true ? prettyJson({ results }) : lintReport(name, results));
  const bad = results.some(({ findings }) => findings.some(({ severity }) => severity === "error"));
  return bad ? 1 : 0;
}
