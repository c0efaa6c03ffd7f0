/** The rules of a verdict by id. docs/rules.md lists the same; a test keeps the two equal. */
export const RULES = {
  architecture: "A snapshot resumes on the architecture it was taken on.",
  vendor: "Intel and AMD lay out XSAVE areas differently and have different MSRs.",
  feature: "Every feature the guest was promised is there.",
  "silent-change":
    "LZCNT and TZCNT decode as BSR and BSF where they are missing: wrong results, no fault.",
  immunity: "A guest that was told it is immune is immune.",
  remedy: "If the guest was promised that VERW clears buffers, it does, or the node is immune.",
  weakness: "The guest is shown every vulnerability bit or needed action that the node reports.",
  hint: "Performance hints may be missing.",
  paravirtual: "Every KVM feature the guest was promised is offered.",
  "xsave-state": "Every XSAVE state component the guest may enable exists.",
  "xsave-layout": "State components have the size and offset that the guest was shown.",
  "address-width": "The node's addresses are at least as wide as the guest's.",
  number: "Counts and versions are at least what the guest was promised.",
  reserved: "A bit without a row is the same on both sides, or hidden from the guest.",
  identity: "The guest's model is not newer than the node's and mitigates all that it needs.",
  msr: "Every MSR that the snapshot restores is one the node's KVM lists.",
  nesting: "A guest promised VMX or SVM runs on the same model and a kernel that is tested.",
  tsc: "The TSC runs at the snapshot's frequency within 250 ppm, or the node can scale it.",
  kernel: "The host kernel is the snapshot's or the next newer one that is tested.",
  "snapshot-format": "A Firecracker on the node loads the snapshot's format.",
  "kvm-capability": "The KVM capabilities that Firecracker and the template need are there.",
  complete: "The node's profile is complete.",
  "arm/lower": "aarch64: every ID register field is at least what the guest was promised.",
  "arm/higher": "aarch64: the guest is shown everything that software must be prepared for.",
  "arm/higher-or-zero": "aarch64: sizes of granules are no larger than the guest was told.",
  "arm/exact": "aarch64: variants that have no order are the same.",
  "arm/equal": "aarch64: sizes that code is written for are the same.",
  "arm/and": "aarch64: every firmware service the guest was promised is there.",
  "arm/identity": "aarch64: MIDR_EL1 says which CPU the guest was taken on.",
  "arm/invariant": "aarch64: registers that KVM does not let Firecracker change are the same.",
  "arm/write": "aarch64: the node's KVM lets a restore write what the guest was promised.",
  "arm/caches": "aarch64: cache geometry is the same, or the node's KVM accepts the guest's.",
  "arm/reserved": "aarch64: bits without a row are the same.",
  "arm/missing": "aarch64: every register that the snapshot restores exists.",
  enforced: "The node's KVM enforces CPU templates, as a trial on a vCPU showed.",
  measured: "The node's profile was measured, not estimated.",
} as const satisfies Record<string, string>;

export type RuleId = keyof typeof RULES;

/** To be raised where a judge comes to mean something else by the same rule and the same facts. */
export const REVISION = 4;
