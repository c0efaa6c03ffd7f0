/**
 * AMD server CPUs by the names of their features, from public documents; as for Intel's, `fittedTo`
 * names the published guest fingerprint that open bits were placed by.
 *
 * Sources: AMD APM vol. 3, appendix E, and the Processor Programming References of families 17h,
 * 19h and 1Ah (features by model), Linux arch/x86/kvm/{cpuid.c,svm/svm.c} and
 * arch/x86/kernel/cpu/{amd.c,bugs.c} (what KVM passes on or synthesizes).
 */
import { words } from "../words.ts";
import { AVX512_STATE, COMMON, family, guest, PARAVIRTUAL, type Model } from "./model.ts";

/** AMD repeats these bits of leaf 1 in leaf 0x80000001. */
const ALIASES = words(`FPU VME DE PSE TSC MSR PAE MCE CMPXCHG8B APIC MTRR PGE MCA CMOV PAT PSE36
  MMX FXSR`).map((name) => `EXTENDED_${name}`);

/** Leaf 0x8000001f, which old kernels pass through unseen. */
const SEV = words("SME SEV VM_PAGE_FLUSH SEV_ES SME_COHERENT SEV_64BIT_ONLY VTE");
const SEV_SNP = words(`SME SEV SEV_ES SEV_SNP VMPL SECURE_TSC SME_COHERENT SEV_64BIT_ONLY
  RESTRICTED_INJECTION ALTERNATE_INJECTION DEBUG_SWAP PREVENT_HOST_IBS VTE VMSA_REG_PROTECTION`);
const SEV_GENOA = words(`RMPQUERY VMPL_SSS V_TSC_AUX VMGEXIT_PARAMETER VIRTUAL_TOM_MSR
  IBS_VIRT_GUEST SMT_PROTECTION`);

/** What Linux says of CPUs other than Zen 3 and 4: no transient scheduler attack. */
const NO_TSA = words("TSA_SQ_NO TSA_L1_NO");

/** Zen 2. KVM says for it that LFENCE serializes and that null selectors clear the base. */
const ZEN_2 = [
  ...COMMON,
  ...PARAVIRTUAL,
  ...ALIASES,
  ...words(`SHA RDPID CR8_LEGACY SSE4A MISALIGNSSE OSVW TOPOEXT PERFCTR_CORE MMXEXT FFXSR
    CLZERO XSAVEERPTR WBNOINVD STIBP_ALWAYS_ON VIRT_SSBD MOVU FP256
    LFENCE_SERIALIZING NULL_SELECTOR_CLEARS_BASE NO_SMM_CTL_MSR IBPB_BRTYPE`),
];

const ZEN_3 = [
  ...ZEN_2,
  ...words(`PCID INVPCID PKU XCR0_PKRU VAES VPCLMULQDQ ERMS FSRM AMD_PSFD IBRS_SAME_MODE
    NO_NESTED_DATA_BP SBPB CET_SS XSS_CET_U XSS_CET_S TSA_SQ_NO TSA_L1_NO`),
];

const ZEN_4 = [
  ...ZEN_3,
  ...AVX512_STATE,
  ...words(`AVX512F AVX512DQ AVX512_IFMA AVX512CD AVX512BW AVX512VL AVX512_VBMI AVX512_VBMI2 GFNI
    AVX512_VNNI AVX512_BITALG AVX512_VPOPCNTDQ AVX512_BF16 LA57 FLUSH_L1D IBPB_RET
    FSGS_NON_SERIALIZING AUTO_IBRS PERFMON_V2`),
];

/** VERW_CLEAR comes with the microcode against TSA, which Zen 5 does not need. */
const GENOA = [...ZEN_4, ...SEV_SNP, ...SEV_GENOA, "VERW_CLEAR"];

const TURIN = [
  ...ZEN_4,
  ...SEV_SNP,
  ...SEV_GENOA,
  ...words(`AVX_VNNI MOVDIRI MOVDIR64B AVX512_VP2INTERSECT BUS_LOCK_DETECT AMD_PREFETCHI
    SRSO_USER_KERNEL_NO`),
];

const common = {
  maxBasicLeaf: 0x10,
  /** Source: AMD PPR, CPUID 0xD; PKRU does not stand where Intel has it. */
  stateOffsets: { XCR0_OPMASK: 832, XCR0_ZMM_HI256: 896, XCR0_HI16_ZMM: 1408, XCR0_PKRU: 2432 },
} as const;
const zen3 = {
  ...common,
  maxLeaf7Subleaf: 0,
  maxExtendedLeaf: 0x8000_0023,
  physicalBits: 48,
  linearBits: 48,
} as const;
const zen4 = {
  ...common,
  maxLeaf7Subleaf: 1,
  maxExtendedLeaf: 0x8000_0028,
  physicalBits: 52,
  linearBits: 57,
} as const;

const zen = family("amd", 0x17, ["BTC", "SRSO_17H"]);
const zen3And4 = family("amd", 0x19, ["SRSO_19H"]);
const zen5 = family("amd", 0x1a, ["SRSO_1AH"]);

export const AMD_MODELS: readonly Model[] = [
  family("amd", 0x15, ["BTC"])(0x02, "Piledriver", 2012.75),
  zen(0x01, "Naples", 2017.25),
  zen(0x31, "Rome", 2019.5, {
    // The CPU goes up to 0x80000020; KVM adds the next to say what it knows of LFENCE.
    catalogue: guest(0, [...ZEN_2, ...SEV, ...NO_TSA], { ...zen3, maxExtendedLeaf: 0x8000_0021 }),
  }),
  zen3And4(0x01, "Milan", 2021, {
    steppings: [0, 1],
    catalogue: guest(1, [...ZEN_3, ...SEV_SNP, "VM_PAGE_FLUSH", "VERW_CLEAR"], {
      ...zen3,
      fittedTo: "Firecracker's fingerprint of Milan, host kernel 6.1",
    }),
  }),
  zen3And4(0x01, "Milan-X", 2022, { steppings: [2, 2] }),
  zen3And4(0x11, "Genoa", 2022.75, {
    catalogue: guest(1, GENOA, {
      ...zen4,
      fittedTo: "Firecracker's fingerprint of Genoa, host kernel 6.1",
    }),
  }),
  zen3And4(0xa0, "Bergamo", 2023.25, { catalogue: guest(2, GENOA, zen4) }),
  zen5(0x02, "Turin", 2024.75, { catalogue: guest(1, [...TURIN, ...NO_TSA], zen4) }),
  zen5(0x11, "Turin Dense", 2024.75),
];
