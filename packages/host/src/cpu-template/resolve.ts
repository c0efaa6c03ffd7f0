/**
 * The template this node uses: loaded, then linted against the node and every Firecracker that is
 * installed, so that a wrong one stops the start instead of the first sandbox.
 */
import {
  ALL_LINES,
  CoreError,
  formatTemplate,
  knownLine,
  lintTemplate,
  staticTemplateRow,
  type LintFinding,
  type LintRuleId,
  type NodeProfile,
} from "@evenkeel/core";
import { HostError } from "../errors.ts";
import { BODY_LIMIT } from "../firecracker/client.ts";
import { loadTemplate, type LoadedTemplate, type ReadFile } from "./load.ts";
import type { TemplateRequest } from "./request.ts";

/** Errors of these rules leave the guest running, without a protection that it needs. */
const INSECURE: ReadonlySet<string> = new Set<LintRuleId>(["hidden-weakness", "identity"]);

export interface ResolveContext {
  readonly profile: NodeProfile;
  /** Firecracker versions that are installed here; none: all that are known. */
  readonly versions: readonly string[];
  /** EVENKEEL_ALLOW_INSECURE=1. */
  readonly allowInsecure: boolean;
  readonly read: ReadFile;
}

export interface ResolvedTemplate extends LoadedTemplate {
  /** What was found and does not stop the start; the insecurity that was allowed stands first. */
  readonly findings: readonly LintFinding[];
  /** Installed versions that nothing is known about: nothing boots under them. */
  readonly unknownVersions: readonly string[];
}

function isKnown(version: string): boolean {
  try {
    return knownLine(version) !== "";
  } catch (error) {
    if (error instanceof CoreError) return false;
    throw error;
  }
}

/** What a template tries in vain; a plan's serves releases that lose it and others that do not. */
const LANGUAGE: ReadonlySet<string> = new Set<LintRuleId>(["overwritten", "flags"]);

function lintFor(lines: readonly string[], loaded: LoadedTemplate, profile: NodeProfile) {
  const template = loaded.templateFor(lines.at(-1) ?? "");
  if (template === undefined) return [];
  const builtIn = loaded.choice.kind === "built-in" ? loaded.choice.name : "";
  const linted = { template, builtIn: staticTemplateRow(builtIn), armBuiltIn: builtIn };
  const findings = lintTemplate(linted, profile, lines);
  if (findings !== undefined) return findings;
  throw new HostError("TEMPLATE_FATAL", `${profile.name}: nothing is known about its vendor`);
}

/** The findings under every line, each once. */
function lintAll(
  lines: readonly string[],
  loaded: LoadedTemplate,
  profile: NodeProfile,
): LintFinding[] {
  const isLanguage = ({ rule }: LintFinding) => LANGUAGE.has(rule);
  const all = [
    ...lines.flatMap((line) => lintFor([line], loaded, profile).filter((f) => !isLanguage(f))),
    ...lintFor(ALL_LINES, loaded, profile).filter(isLanguage),
  ];
  const key = ({ rule, path, address, name }: LintFinding) =>
    [rule, path, address, name].join("\n");
  return [...new Map(all.map((finding) => [key(finding), finding])).values()];
}

function textOf({ address, message }: LintFinding): string {
  return address === "" ? message : `${address}: ${message}`;
}

function refuse(code: "TEMPLATE_FATAL" | "TEMPLATE_INSECURE", name: string, all: LintFinding[]) {
  return new HostError(code, `${name}: ${all.map(textOf).join(" ")}`);
}

function checkSize(loaded: LoadedTemplate): void {
  if (loaded.choice.kind !== "template") return;
  const size = Buffer.byteLength(formatTemplate(loaded.choice.template));
  if (size <= BODY_LIMIT) return;
  throw new HostError(
    "VMM_BODY_TOO_LARGE",
    `${loaded.name}: ${size} bytes as a request, Firecracker takes ${BODY_LIMIT}`,
  );
}

/**
 * Throws TEMPLATE_INVALID, NODE_NOT_IN_PLAN, VMM_BODY_TOO_LARGE; TEMPLATE_FATAL where guests
 * would not boot or be wronged; TEMPLATE_INSECURE unless that is allowed. Nothing asked for is
 * nothing looked at.
 */
export function resolveTemplate(
  request: TemplateRequest,
  { profile, versions, allowInsecure, read }: ResolveContext,
): ResolvedTemplate {
  const loaded = loadTemplate(request, profile, read);
  const unknownVersions = versions.filter((version) => !isKnown(version));
  if (request.kind === "none") return { ...loaded, findings: [], unknownVersions };
  checkSize(loaded);
  const lines = [...new Set(versions.filter(isKnown).map(knownLine))];
  const findings = lintAll(lines.length === 0 ? ALL_LINES : lines, loaded, profile);
  const name = loaded.name ?? "";
  const errors = findings.filter(({ severity }) => severity === "error");
  const fatal = errors.filter(({ rule }) => !INSECURE.has(rule));
  if (fatal.length > 0) throw refuse("TEMPLATE_FATAL", name, fatal);
  if (errors.length > 0 && !allowInsecure) throw refuse("TEMPLATE_INSECURE", name, errors);
  const rest = findings.filter(({ severity }) => severity !== "error");
  return { ...loaded, findings: [...errors, ...rest], unknownVersions };
}
