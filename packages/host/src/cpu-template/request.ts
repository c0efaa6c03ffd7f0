/** Which CPU template an operator asks for: flags and the environment as one request. */
import { BUILT_IN_NAMES, builtInTemplate } from "@evenkeel/core";
import { HostError } from "../errors.ts";

export interface TemplateEnvironment {
  /** A template built into Firecracker, or None. */
  readonly FC_CPU_TEMPLATE?: string | undefined;
  /** A custom template's JSON file. */
  readonly FC_CUSTOM_CPU_TEMPLATE_PATH?: string | undefined;
  /** A plan's directory or file, or what `plan --split` wrote. */
  readonly EVENKEEL_PLAN?: string | undefined;
}

export type TemplateRequest =
  | { readonly kind: "none" }
  | { readonly kind: "built-in"; readonly name: string }
  /** A template's file and nothing else. */
  | { readonly kind: "file"; readonly path: string }
  /** A plan.json, its directory, or a directory that `plan --split` wrote. */
  | { readonly kind: "plan"; readonly path: string }
  /** A file or directory whose content says which of these it is. */
  | { readonly kind: "path"; readonly path: string };

export const NO_TEMPLATE: TemplateRequest = { kind: "none" };

const KNOWN = `known: None, ${BUILT_IN_NAMES.join(", ")}`;

/** A built-in template by its name, `None` included; throws TEMPLATE_UNKNOWN. */
export function builtInRequest(name: string): TemplateRequest {
  if (name === "None") return NO_TEMPLATE;
  if (builtInTemplate(name) !== undefined) return { kind: "built-in", name };
  const message = `no built-in template is named "${name}" (${KNOWN})`;
  throw new HostError("TEMPLATE_UNKNOWN", message);
}

/**
 * What one word on a command line asks for: a built-in template by its name, else a path. A file
 * that has the name of a built-in template is `./T2`.
 */
export function namedRequest(what: string): TemplateRequest {
  if (what === "None") return NO_TEMPLATE;
  if (builtInTemplate(what) !== undefined) return { kind: "built-in", name: what };
  return { kind: "path", path: what };
}

/**
 * The environment's request; `None` and empty variables request nothing. Throws TEMPLATE_CONFLICT
 * if more than one variable requests a template, TEMPLATE_UNKNOWN.
 */
export function templateRequest(env: TemplateEnvironment): TemplateRequest {
  const {
    FC_CPU_TEMPLATE: name = "",
    FC_CUSTOM_CPU_TEMPLATE_PATH: file = "",
    EVENKEEL_PLAN: plan = "",
  } = env;
  const asked = [
    ...(name === "" || name === "None" ? [] : [`FC_CPU_TEMPLATE=${name}`]),
    ...(file === "" ? [] : [`FC_CUSTOM_CPU_TEMPLATE_PATH=${file}`]),
    ...(plan === "" ? [] : [`EVENKEEL_PLAN=${plan}`]),
  ];
  if (asked.length > 1) throw new HostError("TEMPLATE_CONFLICT", asked.join(", "));
  if (file !== "") return { kind: "file", path: file };
  if (plan !== "") return { kind: "plan", path: plan };
  return name === "" ? NO_TEMPLATE : builtInRequest(name);
}
