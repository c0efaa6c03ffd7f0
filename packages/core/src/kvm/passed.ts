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
import { words } from "../format/text.ts";
import type { Vendor } from "../tables/field.ts";

/**
 * Where a guest's bit comes from:
 * - `hardware`: the same bit of the CPU
 * - `kvm`: set whatever the CPU says: KVM emulates it, or the host kernel promises it
 * - a list: set where the CPU has all of these
 */
type Origin = "hardware" | "kvm" | readonly string[];

export interface PassedRow {
  readonly features: readonly string[];
  readonly from: Origin;
  readonly vendor?: Vendor;
  readonly since?: string;
  /** The first release that no longer shows them so. */
  readonly until?: string;
  /** Families and models as people write them (Ice Lake-SP: 6/106); all when absent. */
  readonly families?: readonly number[];
  readonly models?: readonly number[];
  readonly exceptModels?: readonly number[];
  /** Steppings up to this one. */
  readonly steppingsTo?: number;
  /** Not on CPUs with this feature. */
  readonly unless?: string;
  readonly source: string;
}

const CPUID_C = "Linux arch/x86/kvm/cpuid.c, kvm_set_cpu_caps";
const VMX_C = "Linux arch/x86/kvm/vmx/vmx.c, vmx_set_cpu_caps";
const SVM_C = "Linux arch/x86/kvm/svm/svm.c, svm_set_cpu_caps";
const X86_C = "Linux arch/x86/kvm/x86.c, kvm_get_arch_capabilities";
const COMMON_C = "Linux arch/x86/kernel/cpu/common.c, cpu_vuln_blacklist";

/** What KVM itself offers every guest. Source: KVM_CPUID_FEATURES in {@link CPUID_C}. */
export const PARAVIRTUAL = words(`
  KVM_CLOCKSOURCE KVM_NOP_IO_DELAY KVM_CLOCKSOURCE2 KVM_ASYNC_PF KVM_STEAL_TIME KVM_PV_EOI
  KVM_PV_UNHALT KVM_PV_TLB_FLUSH KVM_ASYNC_PF_VMEXIT KVM_PV_SEND_IPI KVM_POLL_CONTROL
  KVM_PV_SCHED_YIELD KVM_ASYNC_PF_INT KVM_CLOCKSOURCE_STABLE CPUID_FAULTING`);

const HARDWARE: readonly PassedRow[] = [
  {
    from: "hardware",
    features: words(`
      SSE3 PCLMULQDQ SSSE3 FMA CMPXCHG16B PDCM PCID SSE4_1 SSE4_2 MOVBE POPCNT AESNI XSAVE AVX F16C
      RDRAND
      FPU VME DE PSE TSC MSR PAE MCE CMPXCHG8B APIC SEP MTRR PGE MCA CMOV PAT PSE36 CLFLUSH MMX
      FXSR SSE SSE2 SELF_SNOOP
      FSGSBASE BMI1 AVX2 FDP_EXCPTN_ONLY SMEP BMI2 ERMS INVPCID ZERO_FCS_FDS AVX512F AVX512DQ
      RDSEED ADX SMAP AVX512_IFMA CLFLUSHOPT CLWB AVX512PF AVX512ER AVX512CD SHA AVX512BW AVX512VL
      AVX512_VBMI LA57 PKU RDPID AVX512_VPOPCNTDQ AVX512_VBMI2 GFNI VAES VPCLMULQDQ AVX512_VNNI
      AVX512_BITALG CLDEMOTE MOVDIRI MOVDIR64B
      AVX512_4VNNIW AVX512_4FMAPS MD_CLEAR AVX512_VP2INTERSECT FSRM SERIALIZE TSXLDTRK AVX512_BF16
      XSAVEOPT XSAVEC XGETBV1
      LAHF_LM LZCNT PREFETCHW SYSCALL NX PDPE1GB RDTSCP LM INVARIANT_TSC WBNOINVD`),
    source: CPUID_C,
  },
  {
    from: "hardware",
    features: words(`
      XCR0_X87 XCR0_SSE XCR0_AVX XCR0_BNDREGS XCR0_BNDCSR XCR0_OPMASK XCR0_ZMM_HI256
      XCR0_HI16_ZMM XCR0_PKRU`),
    source: "Linux arch/x86/kvm/x86.c, KVM_SUPPORTED_XCR0",
  },
  { from: "hardware", vendor: "intel", features: ["MPX", "WAITPKG"], source: VMX_C },
  {
    from: "hardware",
    vendor: "amd",
    features: words(`
      CR8_LEGACY SSE4A MISALIGNSSE OSVW XOP FMA4 TBM TOPOEXT MMXEXT FFXSR 3DNOWEXT 3DNOW
      EXTENDED_FPU EXTENDED_VME EXTENDED_DE EXTENDED_PSE EXTENDED_TSC EXTENDED_MSR EXTENDED_PAE
      EXTENDED_MCE EXTENDED_CMPXCHG8B EXTENDED_APIC EXTENDED_MTRR EXTENDED_PGE EXTENDED_MCA
      EXTENDED_CMOV EXTENDED_PAT EXTENDED_PSE36 EXTENDED_MMX EXTENDED_FXSR
      CLZERO XSAVEERPTR AMD_IBPB AMD_IBRS AMD_STIBP STIBP_ALWAYS_ON AMD_SSBD AMD_SSB_NO VIRT_SSBD
      FP128 MOVU FP256 UMIP
      NO_NESTED_DATA_BP LFENCE_SERIALIZING VERW_CLEAR NULL_SELECTOR_CLEARS_BASE SRSO_NO`),
    source: CPUID_C,
  },
  { from: "hardware", vendor: "amd", features: ["PERFCTR_CORE"], source: SVM_C },
  {
    from: "hardware",
    vendor: "intel",
    features: ["XSAVES"],
    source: CPUID_C,
  },
  {
    from: "hardware",
    vendor: "amd",
    // The kernel switches it off on Zen and Zen 2, for an erratum.
    families: [0x19, 0x1a],
    features: ["XSAVES"],
    source: "Linux arch/x86/kernel/cpu/amd.c, init_amd_zen_common",
  },
  {
    from: "hardware",
    since: "5.12",
    features: words("AVX_VNNI AVX512_FP16"),
    source: `${CPUID_C}: AVX_VNNI and AVX512_FP16 exposed in 5.12`,
  },
  {
    from: "hardware",
    vendor: "intel",
    since: "5.13",
    features: ["BUS_LOCK_DETECT"],
    source: VMX_C,
  },
  { from: "hardware", vendor: "amd", since: "6.13", features: ["BUS_LOCK_DETECT"], source: SVM_C },
  {
    from: "hardware",
    since: "5.17",
    features: words("AMX_BF16 AMX_TILE AMX_INT8 XCR0_XTILECFG XCR0_XTILEDATA XFD"),
    source: `${CPUID_C}: AMX in 5.17`,
  },
  {
    from: "hardware",
    vendor: "intel",
    since: "6.0",
    models: [0x6a, 0x6c],
    features: words("DS DTES64"),
    source: `${VMX_C}: guest PEBS in 6.0, where perf sets pebs_ept: Ice Lake`,
  },
  {
    from: "hardware",
    vendor: "intel",
    since: "6.2",
    models: [0x8f, 0xcf, 0xad, 0xae],
    features: words("DS DTES64"),
    source: "Linux arch/x86/events/intel: EPT-friendly PEBS of Sapphire Rapids and later",
  },
  {
    from: "hardware",
    vendor: "intel",
    since: "6.1",
    features: words("PSFD IPRED_CTRL RRSBA_CTRL DDPD_U BHI_CTRL MCDT_NO"),
    source: `${CPUID_C}: CPUID.(7,2):EDX[5:0]; in 6.1.y with the fixes for BHI`,
  },
  {
    from: "hardware",
    vendor: "amd",
    since: "6.1",
    features: ["AMD_PSFD"],
    source: `${CPUID_C}: not in 5.10`,
  },
  {
    from: "hardware",
    vendor: "amd",
    until: "6.1",
    features: words(`
      SME SEV VM_PAGE_FLUSH SEV_ES SEV_SNP VMPL RMPQUERY VMPL_SSS SECURE_TSC V_TSC_AUX
      SME_COHERENT SEV_64BIT_ONLY RESTRICTED_INJECTION ALTERNATE_INJECTION DEBUG_SWAP
      PREVENT_HOST_IBS VTE VMGEXIT_PARAMETER VIRTUAL_TOM_MSR IBS_VIRT_GUEST VMSA_REG_PROTECTION
      SMT_PROTECTION`),
    source: `${CPUID_C}: since then leaf 0x8000001f is zero where guests cannot have SEV`,
  },
  {
    from: "hardware",
    since: "6.2",
    features: words("AMX_FP16 PREFETCHI CMPCCXADD AVX_IFMA AVX_VNNI_INT8 AVX_NE_CONVERT"),
    source: `${CPUID_C}: leaf 7 subleaf 1 in 6.2`,
  },
  {
    from: "hardware",
    vendor: "amd",
    since: "6.3",
    features: ["AUTO_IBRS"],
    source: `${CPUID_C}: automatic IBRS in 6.3`,
  },
  {
    from: "hardware",
    since: "6.4",
    features: words("FLUSH_L1D FZRM FSRS FSRC"),
    source: `${CPUID_C}: FLUSH_L1D and the fast string features in 6.4`,
  },
  {
    from: "hardware",
    since: "6.5",
    features: words("PERFMON_V2 AMX_COMPLEX"),
    source: `${CPUID_C}: leaf 0x80000022 in 6.5`,
  },
  {
    from: "hardware",
    vendor: "amd",
    since: "6.7",
    features: ["FSGS_NON_SERIALIZING"],
    source: `${CPUID_C}: leaf 0x80000021 bit 1 in 6.7`,
  },
  {
    from: "hardware",
    since: "6.13",
    features: words("SHA512 SM3 SM4 AVX_VNNI_INT16"),
    source: `${CPUID_C}: SHA512 and others in 6.13`,
  },
  {
    from: "hardware",
    vendor: "amd",
    since: "6.13",
    features: ["IBPB_RET"],
    source: `${CPUID_C}: AMD's IBPB told apart from Intel's in 6.13`,
  },
  {
    from: "hardware",
    since: "6.16",
    features: words(`
      AVX10 AVX10_128 AVX10_256 AVX10_512 WRMSRNS IBRS_SAME_MODE AMD_PREFETCHI
      SRSO_USER_KERNEL_NO`),
    source: `${CPUID_C} of 6.16`,
  },
  {
    from: "hardware",
    since: "6.18",
    features: words("CET_SS CET_IBT XSS_CET_U XSS_CET_S"),
    source: "Linux 6.18: CET virtualization",
  },
];

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
