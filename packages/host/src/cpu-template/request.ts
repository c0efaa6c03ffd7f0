/** Which CPU template an operator asks for: the environment as one request. */
import { armBuiltInTemplate, staticTemplateRow } from "@evenkeel/core";
import { HostError } from "../errors.ts";

export interface TemplateEnvironment {
  /** A template built into Firecracker, or None. */
  readonly FC_CPU_TEMPLATE?: string | undefined;
  /** A custom template's JSON file. */
  readonly FC_CUSTOM_CPU_TEMPLATE_PATH?: string | undefined;
  /** A plan's directory or file. */
  readonly EVENKEEL_PLAN?: string | undefined;
}

export type TemplateRequest =
  | { readonly kind: "none" }
  | { readonly kind: "built-in"; readonly name: string }
  | { readonly kind: "file"; readonly path: string }
  | { readonly kind: "plan"; readonly path: string };

const BUILT_IN = ["T2", "T2S", "T2CL", "T2A", "C3", "V1N1"] as const;

export const NO_TEMPLATE: TemplateRequest = { kind: "none" };

/** A built-in template by its name, `None` included; throws TEMPLATE_UNKNOWN. */
export function builtInRequest(name: string): TemplateRequest {
  if (name === "None") return NO_TEMPLATE;
  if (staticTemplateRow(name) !== undefined || armBuiltInTemplate(name) !== undefined) {
    return { kind: "built-in", name };
  }
  throw new HostError(
    "TEMPLATE_UNKNOWN",
    `no template built into Firecracker is called "${name}" (known: None, ${BUILT_IN.join(", ")})`,
  );
}

/**
 * The environment's request; `None` and empty variables ask for nothing. Throws TEMPLATE_CONFLICT
 * where more than one variable asks for something, TEMPLATE_UNKNOWN.
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
