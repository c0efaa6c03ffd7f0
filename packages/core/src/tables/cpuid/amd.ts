/** Leaves 0x8000000A to 0x80000026: AMD's own. */
import { REGISTERS } from "../../cpuid.ts";
import {
  derived,
  hint,
  immunity,
  inRegister,
  instruction,
  kernel,
  minimum,
  topology,
  weakness,
  type CpuidField,
} from "../field.ts";
import { APM, XEN_FEATURESET } from "../references.ts";

const ref = { reference: APM, vendors: ["amd"] } as const;
const short = (leaf: number) => (leaf & 0xff).toString(16).toUpperCase().padStart(2, "0");

function leafOf(leaf: number, feature: string, title: string, group: string): CpuidField[] {
  return REGISTERS.flatMap((register) =>
    inRegister(leaf, undefined, register, ref, [
      derived([31, 0], `LEAF_80_${short(leaf)}_${register}`, title, group, { of: feature }),
    ]),
  );
}

function topologyLeaf(leaf: number, title: string, group: string): CpuidField[] {
  return REGISTERS.flatMap((register) =>
    inRegister(leaf, undefined, register, ref, [
      topology([31, 0], `LEAF_80_${short(leaf)}_${register}`, title, group),
    ]),
  );
}

const MEMORY_ENCRYPTION: readonly CpuidField[] = [
  ...inRegister(0x8000_001f, 0, "eax", ref, [
    kernel(0, "SME", "secure memory encryption", "memory encryption"),
    kernel(1, "SEV", "encrypted virtualization", "memory encryption"),
    kernel(2, "VM_PAGE_FLUSH", "page flush MSR", "memory encryption"),
    kernel(3, "SEV_ES", "SEV encrypted state", "memory encryption", { requires: ["SEV"] }),
    kernel(4, "SEV_SNP", "SEV secure nested paging", "memory encryption", { requires: ["SEV_ES"] }),
    kernel(5, "VMPL", "VM permission levels", "memory encryption"),
    kernel(6, "RMPQUERY", "RMPQUERY", "memory encryption"),
    kernel(7, "VMPL_SSS", "VMPL supervisor shadow stack", "memory encryption"),
    kernel(8, "SECURE_TSC", "secure TSC", "memory encryption"),
    kernel(9, "V_TSC_AUX", "virtual TSC_AUX", "memory encryption"),
    kernel(10, "SME_COHERENT", "cache coherency across encryption", "memory encryption"),
    kernel(11, "SEV_64BIT_ONLY", "64-bit hypervisor required", "memory encryption"),
    kernel(12, "RESTRICTED_INJECTION", "restricted injection", "memory encryption"),
    kernel(13, "ALTERNATE_INJECTION", "alternate injection", "memory encryption"),
    kernel(14, "DEBUG_SWAP", "debug state swap", "memory encryption"),
    kernel(15, "PREVENT_HOST_IBS", "no host IBS", "memory encryption"),
    kernel(16, "VTE", "transparent encryption", "memory encryption"),
    kernel(17, "VMGEXIT_PARAMETER", "VMGEXIT parameter", "memory encryption"),
    kernel(18, "VIRTUAL_TOM_MSR", "virtual TOM MSR", "memory encryption"),
    kernel(19, "IBS_VIRT_GUEST", "IBS virtualization for SEV-ES", "memory encryption"),
    kernel(24, "VMSA_REG_PROTECTION", "VMSA register protection", "memory encryption"),
    kernel(25, "SMT_PROTECTION", "SMT protection", "memory encryption"),
    kernel(28, "SVSM_PAGE_MSR", "SVSM page MSR", "memory encryption"),
    kernel(29, "NESTED_VIRT_SNP_MSR", "nested SNP MSRs", "memory encryption"),
  ]),
  ...inRegister(0x8000_001f, 0, "ebx", ref, [
    derived([15, 0], "ENCRYPTION_BITS", "C-bit, address reduction, VMPLs", "memory encryption", {
      of: "SME",
    }),
  ]),
  ...inRegister(0x8000_001f, 0, "ecx", ref, [
    derived([31, 0], "ENCRYPTED_GUESTS", "encrypted guests", "memory encryption", { of: "SEV" }),
  ]),
  ...inRegister(0x8000_001f, 0, "edx", ref, [
    derived([31, 0], "MIN_SEV_ASID", "lowest SEV ASID", "memory encryption", { of: "SEV" }),
  ]),
];

const FEATURES_2: readonly CpuidField[] = [
  ...inRegister(0x8000_0021, 0, "eax", ref, [
    kernel(0, "NO_NESTED_DATA_BP", "no nested data breakpoints", "tracing"),
    weakness(1, "FSGS_NON_SERIALIZING", "FS/GS base writes do not serialize", "base", {
      reference: XEN_FEATURESET,
    }),
    immunity(2, "LFENCE_SERIALIZING", "LFENCE always serializes", "immunities", {
      aka: ["lfence-always-serializing"],
    }),
    kernel(3, "SMM_PAGE_CFG_LOCK", "SMM paging configuration lock", "machine check"),
    weakness(5, "VERW_CLEAR", "VERW clears CPU buffers", "speculation control", {
      reference: XEN_FEATURESET,
    }),
    immunity(6, "NULL_SELECTOR_CLEARS_BASE", "a null selector clears the base", "base", {
      aka: ["null-sel-clr-base"],
    }),
    kernel(7, "UPPER_ADDRESS_IGNORE", "upper address ignore", "paging"),
    kernel(8, "AUTO_IBRS", "automatic IBRS", "speculation control"),
    // Announces a lack, but one that only firmware could trip over: merged like a feature.
    kernel(9, "NO_SMM_CTL_MSR", "no SMM_CTL MSR", "machine check"),
    hint(10, "AMD_FSRS", "fast short REP STOSB", "string operations"),
    hint(11, "AMD_FSRC", "fast short REPE CMPSB", "string operations"),
    kernel(13, "PREFETCH_CTL_MSR", "prefetch control MSR", "cache control"),
    kernel(17, "CPUID_USER_DISABLE", "CPUID faulting for user mode", "base"),
    hint(18, "EPSF", "enhanced predictive store forwarding", "speculation control"),
    hint(19, "FSRSC", "fast short REP SCASB", "string operations"),
    hint(20, "AMD_PREFETCHI", "PREFETCHIT0/1 (else a no-op)", "cache control"),
    instruction(23, "AVX512_BMM", "bit matrix multiply", "AVX-512", { requires: ["AVX512F"] }),
    kernel(24, "ERAPS", "enhanced return address predictor", "speculation control"),
    kernel(27, "SBPB", "selective branch predictor barrier", "speculation control"),
    immunity(28, "IBPB_BRTYPE", "IBPB flushes branch types", "immunities"),
    immunity(29, "SRSO_NO", "no speculative return stack overflow", "immunities"),
    immunity(30, "SRSO_USER_KERNEL_NO", "no SRSO from user to kernel", "immunities"),
    kernel(31, "SRSO_BP_SPEC_REDUCE", "BP_SPEC_REDUCE", "speculation control"),
  ]),
  ...inRegister(0x8000_0021, 0, "ebx", ref, [
    topology([11, 0], "MICROCODE_PATCH_SIZE", "microcode patch size", "identity"),
    topology([23, 16], "RAP_SIZE", "return address predictor entries", "topology"),
  ]),
  ...inRegister(0x8000_0021, 0, "ecx", ref, [
    immunity(1, "TSA_SQ_NO", "no store queue scheduler attack", "immunities"),
    immunity(2, "TSA_L1_NO", "no L1D scheduler attack", "immunities"),
  ]),
];

const PERFMON_V2: readonly CpuidField[] = [
  ...inRegister(0x8000_0022, 0, "eax", ref, [
    kernel(0, "PERFMON_V2", "performance monitoring v2", "tracing"),
    kernel(1, "LBR_V2", "last branch record stack", "tracing"),
    kernel(2, "LBR_PMC_FREEZE", "freeze on PMI", "tracing"),
  ]),
  ...inRegister(0x8000_0022, 0, "ebx", ref, [
    minimum([3, 0], "PERFMON_CORE_COUNTERS", "core counters", "tracing", { of: "PERFMON_V2" }),
    minimum([9, 4], "LBR_V2_DEPTH", "LBR stack depth", "tracing", { of: "LBR_V2" }),
    minimum([15, 10], "PERFMON_NB_COUNTERS", "northbridge counters", "tracing", {
      of: "PERFMON_V2",
    }),
    minimum([21, 16], "PERFMON_UMC_COUNTERS", "memory controller counters", "tracing", {
      of: "PERFMON_V2",
    }),
  ]),
];

export const AMD_FIELDS: readonly CpuidField[] = [
  ...leafOf(0x8000_000a, "SVM", "SVM capabilities", "virtualization"),
  ...topologyLeaf(0x8000_0019, "1 GiB page TLBs", "caches"),
  ...inRegister(0x8000_001a, 0, "eax", ref, [
    hint(0, "FP128", "128-bit floating point paths", "SSE"),
    hint(1, "MOVU", "MOVU preferred", "SSE"),
    hint(2, "FP256", "256-bit floating point paths", "AVX"),
    hint(3, "FP512", "512-bit floating point paths", "AVX-512"),
  ]),
  ...leafOf(0x8000_001b, "IBS", "IBS capabilities", "tracing"),
  ...leafOf(0x8000_001c, "LWP", "LWP capabilities", "tracing"),
  ...topologyLeaf(0x8000_001d, "cache topology", "caches"),
  ...topologyLeaf(0x8000_001e, "processor topology", "topology"),
  ...MEMORY_ENCRYPTION,
  ...leafOf(0x8000_0020, "MBA", "platform QoS extensions", "resource control"),
  ...FEATURES_2,
  ...PERFMON_V2,
  ...topologyLeaf(0x8000_0026, "extended topology", "topology"),
];
