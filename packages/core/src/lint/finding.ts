/** What a lint has to say about a template on a node. */

/** `error`: it will not boot, or the guest is wronged; `warning`: not what it seems; `note`: FYI. */
export type LintSeverity = "error" | "warning" | "note";

export interface LintFinding {
  readonly rule: LintRuleId;
  readonly severity: LintSeverity;
  /** Where in the template, e.g. `cpuid_modifiers[3]`; empty for the template as a whole. */
  readonly path: string;
  readonly address: string;
  readonly name: string;
  readonly message: string;
  readonly fix: string;
}

/** docs/lint.md lists the same; a test keeps the two equal. */
export const LINT_RULES = {
  architecture: "The template is for a different architecture: Firecracker refuses it.",
  "missing-entry": "The template names a leaf or an MSR that the node lacks: fatal at boot.",
  "kvm-capability":
    "Firecracker or the template needs a KVM capability that the node lacks: fatal at boot.",
  unwritable:
    "aarch64: the node's KVM refuses, or may refuse, to let a template write the field: fatal at boot.",
  overwritten: "Firecracker overwrites these bits whatever the template says.",
  flags: "The entry's flags are wrong for its leaf.",
  unbacked: "The template sets a feature that the node lacks.",
  dependency: "The guest sees a feature without the one it needs.",
  "xsave-size": "The XSAVE area size does not match the remaining state components.",
  "hidden-weakness":
    "The template hides a vulnerability bit or a needed action that the node reports.",
  identity: "The template shows guests a different model from the node's.",
  "static-model": "Firecracker refuses this built-in template on this model.",
  unenforced: "The node's KVM does not enforce templates, as a test on a vCPU showed.",
  deprecated: "Built-in templates are deprecated and will be removed in Firecracker 2.0.",
  unmeasured: "The node's profile is an estimate or incomplete: there may be more findings.",
} as const satisfies Record<string, string>;

export type LintRuleId = keyof typeof LINT_RULES;

export function found(
  rule: LintRuleId,
  severity: LintSeverity,
  place: { path?: string; address?: string; name?: string },
  message: string,
  fix: string,
): LintFinding {
  const { path = "", address = "", name = "" } = place;
  return { rule, severity, path, address, name, message, fix };
}
