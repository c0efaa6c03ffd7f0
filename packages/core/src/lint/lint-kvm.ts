/** What a node's KVM says against a template: it does not do what templates say, or lacks something. */
import { missingCapabilities } from "../firecracker/capabilities.ts";
import { templateDoubt } from "../profile/kvm-facts.ts";
import type { NodeProfile } from "../profile/profile.ts";
import type { CpuTemplate } from "../template/template.ts";
import { found, type LintFinding } from "./finding.ts";

function lintEnforcement(profile: NodeProfile): LintFinding[] {
  const doubt = templateDoubt(profile);
  if (doubt === undefined) return [];
  const message = `Templates may have no effect on ${profile.name}: ${doubt}.`;
  const fix = "Do not run microVMs whose snapshots must move on this node.";
  return [found("unenforced", "error", {}, message, fix)];
}

function lintCapabilities(template: CpuTemplate, { kvm, cpu }: NodeProfile): LintFinding[] {
  if (kvm === undefined) return [];
  const missing = missingCapabilities(cpu.arch, template.kvmCapabilities, kvm.capabilities);
  const fix = "Use a host kernel that has it, or remove it from the template's kvm_capabilities.";
  return missing.map(({ name }) => {
    const message = `This node's KVM has no ${name}: no microVM starts.`;
    return found("kvm-capability", "error", { path: "kvm_capabilities", name }, message, fix);
  });
}

export function lintKvm(template: CpuTemplate, profile: NodeProfile): LintFinding[] {
  return [...lintEnforcement(profile), ...lintCapabilities(template, profile)];
}
