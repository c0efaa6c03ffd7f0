/** Leaves 0x8000000A to 0x80000026: AMD's own. */
import {
  derived,
  hint,
  immunity,
  inEntry,
  inRegister,
  instruction,
  kernel,
  minimum,
  needs,
  lack,
  remedy,
  topology,
  unusable,
  unusableValue,
  wholeLeaf,
  type CpuidField,
} from "../field.ts";
import { AMD_TSA, APM, LINUX_SEV_GUEST, LINUX_WORD_21, XEN_FEATURESET } from "../references.ts";

const ENCRYPTION = "memory encryption";
const IMMUNITIES = "immunities";
const SPECULATION = "speculation control";
const ref = { reference: APM, vendors: ["amd"] } as const;
function leafOf(leaf: number, feature: string, title: string, group: string): CpuidField[] {
  return wholeLeaf(leaf, ref, (name) => derived([31, 0], name, title, group, { of: feature }));
}

function topologyLeaf(leaf: number, title: string, group: string): CpuidField[] {
  return wholeLeaf(leaf, ref, (name) => topology([31, 0], name, title, group));
}

/** What a guest that runs guests of its own finds. */
const SVM_FEATURES: readonly CpuidField[] = [
  ...inEntry(0x8000_000a, 0, ref, {
    eax: [minimum([7, 0], "SVM_REVISION", "SVM revision", "virtualization", { of: "SVM" })],
    ebx: [
      minimum([31, 0], "SVM_ASIDS", "address space identifiers", "virtualization", { of: "SVM" }),
    ],
    edx: (
      [
        [0, "SVM_NP", "nested paging"],
        [1, "SVM_LBR_VIRT", "LBR virtualization"],
        [2, "SVM_LOCK", "SVM lock"],
        [3, "SVM_NRIPS", "next RIP save"],
        [4, "SVM_TSC_RATE", "TSC ratio MSR"],
        [5, "SVM_VMCB_CLEAN", "VMCB clean bits"],
        [6, "SVM_FLUSH_BY_ASID", "flush by ASID"],
        [7, "SVM_DECODE_ASSISTS", "decode assists"],
        [8, "SVM_PMC_VIRT", "performance counter virtualization"],
        [10, "SVM_PAUSE_FILTER", "pause filter"],
        [12, "SVM_PAUSE_THRESHOLD", "pause filter threshold"],
        [13, "SVM_AVIC", "virtual interrupt controller"],
        [15, "SVM_V_VMSAVE_VMLOAD", "virtual VMSAVE and VMLOAD"],
        [16, "SVM_VGIF", "virtual global interrupt flag"],
        [17, "SVM_GMET", "guest mode execute trap"],
        [18, "SVM_X2AVIC", "virtual x2APIC"],
        [19, "SVM_SSS_CHECK", "supervisor shadow stack check"],
        [20, "SVM_SPEC_CTRL", "SPEC_CTRL virtualization"],
        [21, "SVM_ROGPT", "read-only guest page tables"],
        [23, "SVM_HOST_MCE_OVERRIDE", "host machine check override"],
        [24, "SVM_TLBI_CTL", "TLB invalidation control"],
        [25, "SVM_VNMI", "virtual NMI"],
        [26, "SVM_IBS_VIRT", "IBS virtualization"],
        [27, "SVM_EXT_LVT_OFFSET", "extended LVT offset"],
        [28, "SVM_VMCB_ADDR_CHECK", "VMCB address check"],
        [29, "SVM_BUS_LOCK_THRESHOLD", "bus lock threshold"],
        [30, "SVM_IDLE_HLT", "idle HLT intercept"],
      ] as const
    ).map(([bit, name, title]) => kernel(bit, name, title, "virtualization", { of: "SVM" })),
  }),
];

/**
 * KVM of 5.10 shows guests the host's own leaf. They cannot use it: Linux leaves SME alone under a
 * hypervisor, and SEV is on only where the guest's own SEV_STATUS MSR says so.
 */
const hostOnly = { reference: `${APM}; ${LINUX_SEV_GUEST}`, vendors: ["amd"] } as const;

const [sme, sev, perfmon] = [{ of: "SME" }, { of: "SEV" }, { of: "PERFMON_V2" }];

const MEMORY_ENCRYPTION: readonly CpuidField[] = [
  ...inEntry(0x8000_001f, 0, hostOnly, {
    eax: [
      unusable(0, "SME", "secure memory encryption", ENCRYPTION),
      unusable(1, "SEV", "encrypted virtualization", ENCRYPTION),
      unusable(2, "VM_PAGE_FLUSH", "page flush MSR", ENCRYPTION),
      unusable(3, "SEV_ES", "SEV encrypted state", ENCRYPTION, needs("SEV")),
      unusable(4, "SEV_SNP", "SEV secure nested paging", ENCRYPTION, needs("SEV_ES")),
      unusable(5, "VMPL", "VM permission levels", ENCRYPTION),
      unusable(6, "RMPQUERY", "RMPQUERY", ENCRYPTION),
      unusable(7, "VMPL_SSS", "VMPL supervisor shadow stack", ENCRYPTION),
      unusable(8, "SECURE_TSC", "secure TSC", ENCRYPTION),
      unusable(9, "V_TSC_AUX", "virtual TSC_AUX", ENCRYPTION),
      unusable(10, "SME_COHERENT", "cache coherency across encryption", ENCRYPTION),
      unusable(11, "SEV_64BIT_ONLY", "64-bit hypervisor required", ENCRYPTION),
      unusable(12, "RESTRICTED_INJECTION", "restricted injection", ENCRYPTION),
      unusable(13, "ALTERNATE_INJECTION", "alternate injection", ENCRYPTION),
      unusable(14, "DEBUG_SWAP", "debug state swap", ENCRYPTION),
      unusable(15, "PREVENT_HOST_IBS", "no host IBS", ENCRYPTION),
      unusable(16, "VTE", "transparent encryption", ENCRYPTION),
      unusable(17, "VMGEXIT_PARAMETER", "VMGEXIT parameter", ENCRYPTION),
      unusable(18, "VIRTUAL_TOM_MSR", "virtual TOM MSR", ENCRYPTION),
      unusable(19, "IBS_VIRT_GUEST", "IBS virtualization for SEV-ES", ENCRYPTION),
      unusable(24, "VMSA_REG_PROTECTION", "VMSA register protection", ENCRYPTION),
      unusable(25, "SMT_PROTECTION", "SMT protection", ENCRYPTION),
      unusable(28, "SVSM_PAGE_MSR", "SVSM page MSR", ENCRYPTION),
      unusable(29, "NESTED_VIRT_SNP_MSR", "nested SNP MSRs", ENCRYPTION),
    ],
    ebx: [
      unusableValue([15, 0], "ENCRYPTION_BITS", "C-bit, address reduction, VMPLs", ENCRYPTION, sme),
    ],
    ecx: [unusableValue([31, 0], "ENCRYPTED_GUESTS", "encrypted guests", ENCRYPTION, sev)],
    edx: [unusableValue([31, 0], "MIN_SEV_ASID", "lowest SEV ASID", ENCRYPTION, sev)],
  }),
];

const FEATURES_2: readonly CpuidField[] = [
  ...inEntry(0x8000_0021, 0, ref, {
    eax: [
      kernel(0, "NO_NESTED_DATA_BP", "no nested data breakpoints", "tracing"),
      lack(1, "FSGS_NON_SERIALIZING", "FS/GS base writes do not serialize", "base", {
        reference: XEN_FEATURESET,
      }),
      immunity(2, "LFENCE_SERIALIZING", "LFENCE always serializes", IMMUNITIES, {
        aka: ["lfence-always-serializing"],
      }),
      kernel(3, "SMM_PAGE_CFG_LOCK", "SMM paging configuration lock", "machine check"),
      remedy(5, "VERW_CLEAR", "VERW clears CPU buffers", SPECULATION, {
        reference: AMD_TSA,
        // KVM of 6.16 and later shows both on Zen 3 and 4 too, which are affected. Unlike Zen 2,
        // those have BTC_NO; unlike Zen 5, they lack SRSO_USER_KERNEL_NO.
        backedBy: [
          ["TSA_SQ_NO", "TSA_L1_NO", "!BTC_NO"],
          ["TSA_SQ_NO", "TSA_L1_NO", "SRSO_USER_KERNEL_NO"],
        ],
      }),
      immunity(6, "NULL_SELECTOR_CLEARS_BASE", "a null selector clears the base", "base", {
        aka: ["null-sel-clr-base"],
      }),
      kernel(7, "UPPER_ADDRESS_IGNORE", "upper address ignore", "paging"),
      kernel(8, "AUTO_IBRS", "automatic IBRS", SPECULATION),
      // Announces a lack, but one that only firmware could trip over: merged like a feature.
      unusable(9, "NO_SMM_CTL_MSR", "no SMM_CTL MSR", "machine check"),
      hint(10, "AMD_FSRS", "fast short REP STOSB", "string operations"),
      hint(11, "AMD_FSRC", "fast short REPE CMPSB", "string operations"),
      kernel(13, "PREFETCH_CTL_MSR", "prefetch control MSR", "cache control"),
      kernel(17, "CPUID_USER_DISABLE", "CPUID faulting for user mode", "base"),
      hint(18, "EPSF", "enhanced predictive store forwarding", SPECULATION),
      hint(19, "FSRSC", "fast short REP SCASB", "string operations"),
      hint(20, "AMD_PREFETCHI", "PREFETCHIT0/1 (else a no-op)", "cache control"),
      instruction(23, "AVX512_BMM", "bit matrix multiply", "AVX-512", needs("AVX512F")),
      kernel(24, "ERAPS", "enhanced return address predictor", SPECULATION),
      kernel(27, "SBPB", "selective branch predictor barrier", SPECULATION),
      immunity(28, "IBPB_BRTYPE", "IBPB flushes branch types", IMMUNITIES),
      immunity(29, "SRSO_NO", "no speculative return stack overflow", IMMUNITIES),
      immunity(30, "SRSO_USER_KERNEL_NO", "no SRSO from user to kernel", IMMUNITIES),
      kernel(31, "SRSO_BP_SPEC_REDUCE", "BP_SPEC_REDUCE", SPECULATION),
    ],
    ebx: [
      topology([11, 0], "MICROCODE_PATCH_SIZE", "microcode patch size", "identity"),
      topology([23, 16], "RAP_SIZE", "return address predictor entries", "topology"),
    ],
    ecx: [
      immunity(1, "TSA_SQ_NO", "no store queue scheduler attack", IMMUNITIES),
      immunity(2, "TSA_L1_NO", "no L1D scheduler attack", IMMUNITIES),
    ],
  }),
  // AMD reserves these. KVM of 5.10 with the fixes for TSA and VMSCAPE shows guests Linux's own
  // flags of the host there, as published fingerprints do; no guest reads them.
  ...inRegister(0x8000_0021, 0, "ecx", { reference: LINUX_WORD_21, vendors: ["amd"] }, [
    unusable(13, "LINUX_CLEAR_CPU_BUF_VM", "host flag: VERW before VMRUN", "identity"),
    unusable(14, "LINUX_IBPB_EXIT_TO_USER", "host flag: IBPB on exit to user", "identity"),
  ]),
];

const PERFMON_V2: readonly CpuidField[] = [
  ...inEntry(0x8000_0022, 0, ref, {
    eax: [
      kernel(0, "PERFMON_V2", "performance monitoring v2", "tracing"),
      kernel(1, "LBR_V2", "last branch record stack", "tracing"),
      kernel(2, "LBR_PMC_FREEZE", "freeze on PMI", "tracing"),
    ],
    ebx: [
      minimum([3, 0], "PERFMON_CORE_COUNTERS", "core counters", "tracing", perfmon),
      minimum([9, 4], "LBR_V2_DEPTH", "LBR stack depth", "tracing", { of: "LBR_V2" }),
      minimum([15, 10], "PERFMON_NB_COUNTERS", "northbridge counters", "tracing", perfmon),
      minimum([21, 16], "PERFMON_UMC_COUNTERS", "memory controller counters", "tracing", perfmon),
    ],
  }),
];

export const AMD_FIELDS: readonly CpuidField[] = [
  ...SVM_FEATURES,
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
