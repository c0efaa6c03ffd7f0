/** What to do about a finding, by its rule. */
import { isBeyondTemplates } from "@evenkeel/core";

const PLAN =
  "Plan the pool (evenkeel plan nodes/*.json --out plan/), boot guests with the template of their node's class, and take new snapshots.";

/** Rules whose findings a plan does not remove, and what does. */
const OTHERS: Readonly<Record<string, string>> = {
  architecture: "Keep one pool per architecture; cold boot from disk on the other.",
  vendor: "Keep one pool per CPU vendor; cold boot from disk on the other.",
  kernel: "Run host kernels that are tested with each other on both nodes.",
  "snapshot-format": "Install a Firecracker release that loads this snapshot format on the target.",
  tsc: "Resume on nodes with the same TSC frequency, or on nodes whose KVM can scale it.",
  "kvm-capability": "Update the target's host kernel.",
  complete: "Probe the node again (evenkeel probe): its profile has gaps.",
  measured: "Probe the node (evenkeel probe): an estimate is not enough to say yes.",
  enforced: "Enable CPUID faulting on the node, or keep it out of the pool.",
  "arm/identity": "Keep one pool per CPU model; cold boot from disk on the other.",
  "arm/caches": "Keep nodes with other caches in a pool of their own.",
};

/** What a rule is about, for people who do not know its id. */
const TITLES: Readonly<Record<string, string>> = {
  feature: "features that the target lacks",
  "silent-change": "instructions that do something else there",
  immunity: "missing immunities and mitigations",
  remedy: "missing remedies",
  weakness: "vulnerabilities that the guest does not see",
  paravirtual: "missing KVM features",
  "xsave-state": "missing XSAVE state",
  "xsave-layout": "another XSAVE layout",
  "address-width": "narrower addresses",
  number: "lower numbers",
  reserved: "bits of unknown meaning",
  identity: "CPU model",
  msr: "missing MSRs",
  tsc: "TSC frequency",
  kernel: "host kernel",
  "snapshot-format": "snapshot format",
  complete: "incomplete profile",
  measured: "estimated profile",
  enforced: "templates are not enforced",
};

export function titleOf(rule: string): string {
  return TITLES[rule] ?? rule;
}

/** MSRs that belong to a feature go when a plan hides the feature. */
export function adviceFor(rule: string): string {
  const other = OTHERS[rule];
  if (other !== undefined) return other;
  if (rule === "msr" || !isBeyondTemplates(rule)) return PLAN;
  return "No CPU template changes this: align the two nodes' host software.";
}

/** Each advice once, in the order of the findings. */
export function adviceOf(findings: readonly { readonly rule: string }[]): string[] {
  return [...new Set(findings.map(({ rule }) => adviceFor(rule)))];
}
