/**
 * The template this node uses: loaded, then linted against the node and every Firecracker that is
 * installed, so that a wrong one stops the start instead of the first sandbox.
 */
import {
  ALL_LINES,
  API_BODY_LIMIT,
  CoreError,
  formatTemplate,
  knownLine,
  type LintFinding,
  type LintRuleId,
  type NodeProfile,
} from "@evenkeel/core";
import { HostError } from "../errors.ts";
import { isPlanned, lintLoaded } from "./lint.ts";
import type { ReadFile } from "./read.ts";
import type { TemplateRequest } from "./request.ts";
import { openTemplate, type LoadedTemplate } from "./source.ts";

/** With errors of these rules the guest runs, but lacks a protection that it needs. */
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
  /** Findings that do not stop the start; allowed insecurities come first. */
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

/**
 * What a template sets in vain. A plan's template serves releases that overwrite it and others that
 * do not, so this is no finding there.
 */
const LANGUAGE: ReadonlySet<string> = new Set<LintRuleId>(["overwritten", "flags"]);

/**
 * Findings that hold under the installed lines; for the template language, those that hold under
 * all.
 */
function lintAll(
  lines: readonly string[],
  loaded: LoadedTemplate,
  profile: NodeProfile,
): LintFinding[] {
  const isLanguage = ({ rule }: LintFinding) => LANGUAGE.has(rule);
  return [
    ...lintLoaded(loaded, profile, lines).filter((finding) => !isLanguage(finding)),
    ...lintLoaded(loaded, profile, ALL_LINES).filter(isLanguage),
  ];
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
  if (size <= API_BODY_LIMIT) return;
  throw new HostError(
    "VMM_BODY_TOO_LARGE",
    `${loaded.name}: the request has ${size} bytes, Firecracker accepts ${API_BODY_LIMIT}`,
  );
}

/** Throws VMM_BODY_TOO_LARGE, TEMPLATE_FATAL, TEMPLATE_INSECURE. */
function checkLoaded(loaded: LoadedTemplate, context: ResolveContext): LintFinding[] {
  const { profile, versions, allowInsecure } = context;
  checkSize(loaded);
  const lines = [...new Set(versions.filter(isKnown).map(knownLine))];
  const findings = lintAll(lines.length === 0 ? ALL_LINES : lines, loaded, profile);
  const name = loaded.name ?? "";
  const errors = findings.filter(({ severity }) => severity === "error");
  const fatal = errors.filter(({ rule }) => !INSECURE.has(rule));
  if (fatal.length > 0) throw refuse("TEMPLATE_FATAL", name, fatal);
  const insecure = errors.filter((finding) => !isPlanned(loaded, finding));
  if (insecure.length > 0 && !allowInsecure) throw refuse("TEMPLATE_INSECURE", name, insecure);
  return [...errors, ...findings.filter(({ severity }) => severity !== "error")];
}

/**
 * Throws what {@link openTemplate} throws; VMM_BODY_TOO_LARGE; TEMPLATE_FATAL if guests would not
 * boot or would misbehave; and TEMPLATE_INSECURE unless that is allowed or was accepted when the
 * pool was planned. If no template is requested, nothing is checked.
 */
export function resolveTemplate(
  request: TemplateRequest,
  context: ResolveContext,
): ResolvedTemplate {
  const loaded = openTemplate(request, context.read).forNode(context.profile);
  const unknownVersions = context.versions.filter((version) => !isKnown(version));
  const findings = loaded.choice.kind === "none" ? [] : checkLoaded(loaded, context);
  return { ...loaded, findings, unknownVersions };
}
