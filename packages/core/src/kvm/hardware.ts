/** Bits that KVM passes on as the CPU has them; the rows' sources name the release where it began. */
import { amd, CPUID_C, hardware, intel, since, SVM_C, VMX_C, type PassedRow } from "./row.ts";

export const HARDWARE: readonly PassedRow[] = [
  hardware(
    `SSE3 PCLMULQDQ SSSE3 FMA CMPXCHG16B PDCM PCID SSE4_1 SSE4_2 MOVBE POPCNT AESNI XSAVE AVX F16C
      RDRAND
      FPU VME DE PSE TSC MSR PAE MCE CMPXCHG8B APIC SEP MTRR PGE MCA CMOV PAT PSE36 CLFLUSH MMX
      FXSR SSE SSE2 SELF_SNOOP
      FSGSBASE BMI1 AVX2 FDP_EXCPTN_ONLY SMEP BMI2 ERMS INVPCID ZERO_FCS_FDS AVX512F AVX512DQ
      RDSEED ADX SMAP AVX512_IFMA CLFLUSHOPT CLWB AVX512PF AVX512ER AVX512CD SHA AVX512BW AVX512VL
      AVX512_VBMI LA57 PKU RDPID AVX512_VPOPCNTDQ AVX512_VBMI2 GFNI VAES VPCLMULQDQ AVX512_VNNI
      AVX512_BITALG CLDEMOTE MOVDIRI MOVDIR64B
      AVX512_4VNNIW AVX512_4FMAPS MD_CLEAR AVX512_VP2INTERSECT FSRM SERIALIZE TSXLDTRK AVX512_BF16
      XSAVEOPT XSAVEC XGETBV1
      LAHF_LM LZCNT PREFETCHW SYSCALL NX PDPE1GB RDTSCP LM INVARIANT_TSC WBNOINVD`,
    CPUID_C,
  ),
  hardware(
    `XCR0_X87 XCR0_SSE XCR0_AVX XCR0_BNDREGS XCR0_BNDCSR XCR0_OPMASK XCR0_ZMM_HI256
      XCR0_HI16_ZMM XCR0_PKRU`,
    "Linux arch/x86/kvm/x86.c, KVM_SUPPORTED_XCR0",
  ),
  hardware("MPX WAITPKG", VMX_C, intel()),
  hardware(
    `CR8_LEGACY SSE4A MISALIGNSSE OSVW XOP FMA4 TBM TOPOEXT MMXEXT FFXSR 3DNOWEXT 3DNOW
      EXTENDED_FPU EXTENDED_VME EXTENDED_DE EXTENDED_PSE EXTENDED_TSC EXTENDED_MSR EXTENDED_PAE
      EXTENDED_MCE EXTENDED_CMPXCHG8B EXTENDED_APIC EXTENDED_MTRR EXTENDED_PGE EXTENDED_MCA
      EXTENDED_CMOV EXTENDED_PAT EXTENDED_PSE36 EXTENDED_MMX EXTENDED_FXSR
      CLZERO XSAVEERPTR AMD_IBPB AMD_IBRS AMD_STIBP STIBP_ALWAYS_ON AMD_SSBD AMD_SSB_NO VIRT_SSBD
      FP128 MOVU FP256 UMIP
      NO_NESTED_DATA_BP LFENCE_SERIALIZING VERW_CLEAR NULL_SELECTOR_CLEARS_BASE SRSO_NO`,
    CPUID_C,
    amd(),
  ),
  hardware("PERFCTR_CORE", SVM_C, amd()),
  hardware("XSAVES", CPUID_C, intel()),
  hardware(
    "XSAVES",
    `${CPUID_C}; Zen and Zen 2 are the next row's`,
    amd({ families: [0x19, 0x1a] }),
  ),
  hardware(
    "XSAVES",
    "Linux arch/x86/kernel/cpu/amd.c: erratum 1386; since then only with old microcode",
    amd("6.13", { families: [0x17] }),
  ),
  hardware(
    "AVX_VNNI AVX512_FP16",
    `${CPUID_C}: AVX_VNNI and AVX512_FP16 exposed in 5.12`,
    since("5.12"),
  ),
  hardware("BUS_LOCK_DETECT", VMX_C, intel("5.13")),
  hardware("BUS_LOCK_DETECT", SVM_C, amd("6.13")),
  hardware(
    "AMX_BF16 AMX_TILE AMX_INT8 XCR0_XTILECFG XCR0_XTILEDATA XFD",
    `${CPUID_C}: AMX in 5.17`,
    since("5.17"),
  ),
  hardware(
    "DS DTES64",
    `${VMX_C}: guest PEBS in 6.0, where perf sets pebs_ept: Ice Lake`,
    intel("6.0", { models: [0x6a, 0x6c] }),
  ),
  hardware(
    "DS DTES64",
    "Linux arch/x86/events/intel: EPT-friendly PEBS of Sapphire Rapids and later",
    intel("6.2", { models: [0x8f, 0xcf, 0xad, 0xae] }),
  ),
  hardware(
    "PSFD IPRED_CTRL RRSBA_CTRL DDPD_U BHI_CTRL MCDT_NO",
    `${CPUID_C}: CPUID.(7,2):EDX[5:0]; in 6.1.y with the fixes for BHI`,
    intel("6.1"),
  ),
  hardware("AMD_PSFD", `${CPUID_C}: not in 5.10`, amd("6.1")),
  hardware(
    `SME SEV VM_PAGE_FLUSH SEV_ES SEV_SNP VMPL RMPQUERY VMPL_SSS SECURE_TSC V_TSC_AUX
      SME_COHERENT SEV_64BIT_ONLY RESTRICTED_INJECTION ALTERNATE_INJECTION DEBUG_SWAP
      PREVENT_HOST_IBS VTE VMGEXIT_PARAMETER VIRTUAL_TOM_MSR IBS_VIRT_GUEST VMSA_REG_PROTECTION
      SMT_PROTECTION`,
    `${CPUID_C}: since then leaf 0x8000001f is zero where guests cannot have SEV`,
    amd({ until: "6.1" }),
  ),
  hardware(
    "AMX_FP16 PREFETCHI CMPCCXADD AVX_IFMA AVX_VNNI_INT8 AVX_NE_CONVERT",
    `${CPUID_C}: leaf 7 subleaf 1 in 6.2`,
    since("6.2"),
  ),
  hardware("AUTO_IBRS", `${CPUID_C}: automatic IBRS in 6.3`, amd("6.3")),
  hardware(
    "FLUSH_L1D FZRM FSRS FSRC",
    `${CPUID_C}: FLUSH_L1D and the fast string features in 6.4`,
    since("6.4"),
  ),
  hardware("PERFMON_V2 AMX_COMPLEX", `${CPUID_C}: leaf 0x80000022 in 6.5`, since("6.5")),
  hardware("FSGS_NON_SERIALIZING", `${CPUID_C}: leaf 0x80000021 bit 1 in 6.7`, amd("6.7")),
  hardware("SHA512 SM3 SM4 AVX_VNNI_INT16", `${CPUID_C}: SHA512 and others in 6.13`, since("6.13")),
  hardware("IBPB_RET", `${CPUID_C}: AMD's IBPB told apart from Intel's in 6.13`, amd("6.13")),
  hardware(
    `AVX10 AVX10_128 AVX10_256 AVX10_512 WRMSRNS IBRS_SAME_MODE AMD_PREFETCHI
      SRSO_USER_KERNEL_NO`,
    `${CPUID_C} of 6.16`,
    since("6.16"),
  ),
  hardware("CET_SS CET_IBT XSS_CET_U XSS_CET_S", "Linux 6.18: CET virtualization", since("6.18")),
];
