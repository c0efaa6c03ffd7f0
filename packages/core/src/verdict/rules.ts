/** The rules of a verdict by id. docs/verdicts.md lists the same; a test keeps the two equal. */
export const RULES = {
  architecture: "The node has the architecture that the snapshot was taken on.",
  vendor: "The vendor is the same: Intel and AMD have different XSAVE layouts and MSRs.",
  feature: "Every feature the guest was promised is there.",
  "silent-change":
    "Promised LZCNT and TZCNT are there; elsewhere they decode as BSR and BSF: wrong results, no fault.",
  immunity: "A guest that was told its CPU is immune to a bug runs on an immune CPU.",
  remedy:
    "If the guest was promised that VERW clears buffers, it does so here, or the node is immune.",
  weakness: "The guest is shown every vulnerability bit or needed action that the node reports.",
  hint: "Always: a missing performance hint is only a note.",
  paravirtual: "Every KVM feature the guest was promised is offered.",
  "xsave-state": "Every XSAVE state component the guest may enable exists.",
  "xsave-layout": "State components have the size and offset that the guest was shown.",
  "address-width": "The node's addresses are at least as wide as the guest's.",
  number: "Counts and versions are at least what the guest was promised.",
  reserved: "A bit without a row is the same on both sides, or hidden from the guest.",
  identity: "The guest's model is not newer than the node's and mitigates all that it needs.",
  msr: "Every MSR that the snapshot restores is one the node's KVM lists.",
  nesting:
    "If the guest was promised VMX or SVM, the model is the same and the kernel step is tested.",
  tsc: "The TSC runs at the snapshot's frequency within 250 ppm, or the node can scale it.",
  kernel: "The host kernel is the snapshot's, or the next newer one that Firecracker tests.",
  "snapshot-format": "A Firecracker on the node can load the snapshot's format.",
  "kvm-capability": "The KVM capabilities that Firecracker and the template need are there.",
  complete: "The node's profile is complete.",
  "arm/lower": "aarch64: every ID register field is at least what the guest was promised.",
  "arm/higher":
    "aarch64: the guest sees everything on the node that software must be prepared for.",
  "arm/higher-or-zero": "aarch64: granule sizes are no larger than the guest was told.",
  "arm/exact": "aarch64: fields whose values have no order are the same.",
  "arm/equal": "aarch64: sizes that code relies on are the same.",
  "arm/and": "aarch64: every firmware service the guest was promised is there.",
  "arm/identity": "aarch64: the CPU model (MIDR_EL1) is the same, or the finding is a note.",
  "arm/invariant": "aarch64: registers that KVM does not let Firecracker change are the same.",
  "arm/write": "aarch64: the node's KVM lets a restore write what the guest was promised.",
  "arm/caches": "aarch64: cache geometry is the same, or the node's KVM accepts the guest's.",
  "arm/reserved": "aarch64: bits without a row are the same.",
  "arm/missing": "aarch64: every register that the snapshot restores exists.",
  enforced: "The node's KVM enforces CPU templates, as a trial on a vCPU showed.",
  measured: "The node's profile was measured, not estimated.",
} as const satisfies Record<string, string>;

export type RuleId = keyof typeof RULES;

/**
 * Raise this when a judge comes to mean something else by the same rule and the same facts, or when
 * the words of findings change: certificates have digests of them.
 */
export const REVISION = 5;
