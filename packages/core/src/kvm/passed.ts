/**
 * What KVM shows a guest of a host's CPU, by feature and host kernel: the allow-list of
 * `kvm_set_cpu_caps`, `svm_set_cpu_caps`, `vmx_set_cpu_caps` and `kvm_get_arch_capabilities` as
 * rows. A feature that no row names never reaches a guest.
 *
 * Catalogue models and raw dumps are filtered by the same rows. A row tells 5.10, 6.1, 6.8 and
 * 6.18 apart; between these a release may be off. Where a stable line got a change with a
 * security fix, `since` names that line, because nobody should run it without. Read throughout:
 * cpuid.c of Linux 5.10.13, a late 6.1.y (with the fixes against TSA) and 6.16.1, and
 * `kvm_get_arch_capabilities` of a late 6.x. Rows with other sources, and the releases between,
 * follow what is publicly known, and count only as far as docs/estimates.md measures them.
 */
import { words } from "../tables/words.ts";
import { PARAVIRTUAL } from "../tables/models/model.ts";
import { HARDWARE } from "./hardware.ts";
import { COMMON_C, CPUID_C, SVM_C, VMX_C, X86_C, type PassedRow } from "./row.ts";

/** TSX is off by default (`tsx=off`) where the CPU lets the kernel switch it off. */
const TSX: readonly PassedRow[] = [
  {
    from: "hardware",
    vendor: "intel",
    unless: "TSX_CTRL",
    features: words("HLE RTM TAA_NO"),
    source: "Linux arch/x86/kernel/cpu/tsx.c, tsx_init; x86.c clears TAA_NO where RTM is off",
  },
];

/** What KVM says whatever the CPU says. */
const EMULATED: readonly PassedRow[] = [
  { from: "kvm", features: PARAVIRTUAL, source: `${CPUID_C}, KVM_CPUID_FEATURES` },
  {
    from: "kvm",
    features: words("X2APIC TSC_ADJUST ARCH_CAPABILITIES"),
    source: CPUID_C,
  },
  {
    from: "kvm",
    features: words("TSC_DEADLINE HYPERVISOR"),
    source: "Firecracker sets them: cpuid/normalize.rs",
  },
  { from: "kvm", features: ["ARAT"], source: "Linux arch/x86/kvm/cpuid.c: leaf 6 is 4" },
  { from: "kvm", vendor: "intel", features: ["UMIP"], source: `${VMX_C}, vmx_umip_emulated` },
  {
    from: "kvm",
    vendor: "amd",
    since: "6.1",
    features: ["NO_SMM_CTL_MSR"],
    source: `${CPUID_C}: not in 5.10`,
  },
  {
    from: "kvm",
    vendor: "amd",
    families: [0x17, 0x19, 0x1a],
    features: ["LFENCE_SERIALIZING"],
    source: `${CPUID_C}: LFENCE_RDTSC, which the kernel sets on these`,
  },
  {
    from: "kvm",
    vendor: "amd",
    families: [0x17],
    // Zen and Zen+.
    exceptModels: [0x01, 0x08, 0x11, 0x18, 0x20],
    features: ["NULL_SELECTOR_CLEARS_BASE"],
    source: `${CPUID_C}: no X86_BUG_NULL_SEG on Zen 2`,
  },
  {
    from: "kvm",
    vendor: "amd",
    families: [0x19, 0x1a],
    features: ["NULL_SELECTOR_CLEARS_BASE"],
    source: `${CPUID_C}: no X86_BUG_NULL_SEG`,
  },
  {
    from: "kvm",
    vendor: "amd",
    families: [0x19],
    features: ["VERW_CLEAR"],
    source: "Linux arch/x86/kernel/cpu/amd.c, tsa_init: Zen 3 and 4 with current microcode",
  },
  {
    from: "kvm",
    vendor: "amd",
    families: [0x17, 0x1a],
    since: "6.1",
    features: words("TSA_SQ_NO TSA_L1_NO"),
    source:
      "Linux arch/x86/kernel/cpu/amd.c, tsa_init: sets both where Zen is not affected; 5.10 shows " +
      "a word of its own there",
  },
  {
    from: "kvm",
    vendor: "amd",
    families: [0x19, 0x1a],
    since: "6.7",
    features: ["SBPB"],
    source: "Linux arch/x86/kernel/cpu/amd.c, early_init_amd, with current microcode",
  },
  {
    from: "kvm",
    vendor: "amd",
    families: [0x17, 0x19, 0x1a],
    since: "6.7",
    features: ["IBPB_BRTYPE"],
    source: "Linux arch/x86/kernel/cpu/amd.c, early_init_amd, with current microcode",
  },
  {
    from: "kvm",
    vendor: "amd",
    since: "6.16",
    features: words("TSA_SQ_NO TSA_L1_NO"),
    source: `${CPUID_C} of 6.16 says so whatever the CPU`,
  },
];

/** Each vendor's speculation controls are shown in the other vendor's words too. */
const TRANSLATED: readonly PassedRow[] = [
  {
    from: "hardware",
    vendor: "intel",
    features: words("SPEC_CTRL STIBP SSBD"),
    source: CPUID_C,
  },
  {
    from: ["AMD_IBPB", "AMD_IBRS"],
    vendor: "amd",
    until: "6.13",
    features: ["SPEC_CTRL"],
    source: CPUID_C,
  },
  {
    from: ["AMD_IBPB", "AMD_IBRS", "IBPB_RET"],
    vendor: "amd",
    since: "6.13",
    features: ["SPEC_CTRL"],
    source: `${CPUID_C}: Intel's bit promises more than IBPB alone does`,
  },
  { from: ["AMD_STIBP"], vendor: "amd", features: ["STIBP"], source: CPUID_C },
  { from: ["AMD_SSBD"], vendor: "amd", features: ["SSBD"], source: CPUID_C },
  { from: ["AMD_SSBD"], vendor: "amd", features: ["VIRT_SSBD"], source: SVM_C },
  { from: ["SPEC_CTRL"], vendor: "intel", features: words("AMD_IBPB AMD_IBRS"), source: CPUID_C },
  { from: ["STIBP"], vendor: "intel", features: ["AMD_STIBP"], source: CPUID_C },
  { from: ["SSBD"], vendor: "intel", features: ["AMD_SSBD"], source: CPUID_C },
  {
    from: ["SPEC_CTRL", "PBRSB_NO"],
    vendor: "intel",
    since: "6.13",
    features: ["IBPB_RET"],
    source: `${CPUID_C}: without X86_BUG_EIBRS_PBRSB`,
  },
  {
    from: ["SPEC_CTRL"],
    vendor: "intel",
    unless: "IBRS_ALL",
    since: "6.13",
    features: ["IBPB_RET"],
    source: `${CPUID_C}: without X86_BUG_EIBRS_PBRSB`,
  },
];

/** Atoms from Goldmont to Gracemont, and the hybrid parts that have such cores. */
const RFDS_MODELS = [0x5c, 0x5f, 0x7a, 0x86, 0x96, 0x9c, 0x97, 0x9a, 0xb7, 0xba, 0xbf, 0xbe];

/** IA32_ARCH_CAPABILITIES (10AH). */
const CAPABILITIES: readonly PassedRow[] = [
  {
    from: "hardware",
    vendor: "intel",
    features: words(`
      RDCL_NO IBRS_ALL RSBA SKIP_L1DFL_VMENTRY SSB_NO MDS_NO IF_PSCHANGE_MC_NO TSX_CTRL
      SBDR_SSDP_NO FBSDP_NO PSDP_NO FB_CLEAR RRSBA BHI_NO PBRSB_NO GDS_NO RFDS_NO RFDS_CLEAR
      ITS_NO`),
    source: "Linux arch/x86/kvm/x86.c, KVM_SUPPORTED_ARCH_CAP",
  },
  {
    from: "kvm",
    vendor: "intel",
    features: words("SKIP_L1DFL_VMENTRY IF_PSCHANGE_MC_NO GDS_NO"),
    source: `${X86_C}, with current microcode`,
  },
  {
    from: "kvm",
    vendor: "intel",
    exceptModels: RFDS_MODELS,
    unless: "RFDS_CLEAR",
    features: ["RFDS_NO"],
    source: `${X86_C}; ${COMMON_C}`,
  },
  {
    from: ["BHI_CTRL"],
    vendor: "intel",
    features: ["ITS_NO"],
    source: `${X86_C}; ${COMMON_C}: no CPU with BHI_CTRL is affected`,
  },
  {
    from: "kvm",
    vendor: "intel",
    models: [0x55],
    steppingsTo: 5,
    features: ["ITS_NO"],
    source: `${X86_C}; ${COMMON_C}: of this model only steppings from 6 on are affected`,
  },
];

export const PASSED: readonly PassedRow[] = [
  ...HARDWARE,
  ...TSX,
  ...EMULATED,
  ...TRANSLATED,
  ...CAPABILITIES,
];
