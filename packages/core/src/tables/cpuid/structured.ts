/** Leaf 0x7: structured extended features. */
import {
  control,
  aliased,
  hint,
  immunity,
  inEntry,
  inRegister,
  instruction,
  kernel,
  lack,
  minimum,
  needs,
  ownedByKvm,
  remedy,
  topology,
  type CpuidField,
} from "../field.ts";
import { APM, FPU_LEFTOVERS, INTEL_VERW, KVM_SPEC_CTRL, SDM } from "../references.ts";

const ref = { reference: `${SDM}; ${APM}` };
const AVX512 = "AVX-512";
const leftover = { reference: FPU_LEFTOVERS };

const SUBLEAF_0_EBX = inRegister(0x7, 0, "ebx", ref, [
  instruction(0, "FSGSBASE", "RDFSBASE, WRFSBASE …", "base"),
  kernel(1, "TSC_ADJUST", "TSC_ADJUST MSR", "time"),
  instruction(2, "SGX", "software guard extensions", "enclaves"),
  aliased(3, "BMI1", "TZCNT, ANDN, BLSR …", "bit manipulation"),
  hint(4, "HLE", "hardware lock elision", "TSX"),
  instruction(5, "AVX2", "AVX2", "AVX", needs("AVX")),
  lack(6, "FDP_EXCPTN_ONLY", "x87 data pointer only updated on exceptions", "x87", leftover),
  kernel(7, "SMEP", "supervisor-mode execution prevention", "paging"),
  instruction(8, "BMI2", "PDEP, PEXT, SHLX …", "bit manipulation"),
  hint(9, "ERMS", "enhanced REP MOVSB/STOSB", "string operations"),
  kernel(10, "INVPCID", "INVPCID", "paging", needs("PCID")),
  instruction(11, "RTM", "restricted transactional memory", "TSX"),
  kernel(12, "RDT_M", "resource director monitoring", "resource control", { aka: ["cqm"] }),
  lack(13, "ZERO_FCS_FDS", "x87 CS and DS stored as zero", "x87", leftover),
  instruction(14, "MPX", "memory protection extensions", "MPX", {
    requires: ["XSAVE", "XCR0_BNDREGS", "XCR0_BNDCSR"],
  }),
  kernel(15, "RDT_A", "resource director allocation", "resource control"),
  instruction(16, "AVX512F", "AVX-512 foundation", AVX512, {
    requires: ["AVX2", "XCR0_OPMASK", "XCR0_ZMM_HI256", "XCR0_HI16_ZMM"],
  }),
  instruction(17, "AVX512DQ", "doubleword and quadword", AVX512, needs("AVX512F")),
  instruction(18, "RDSEED", "RDSEED", "crypto"),
  instruction(19, "ADX", "ADCX, ADOX", "bit manipulation"),
  kernel(20, "SMAP", "supervisor-mode access prevention", "paging"),
  instruction(21, "AVX512_IFMA", "integer fused multiply-add", AVX512, needs("AVX512F")),
  instruction(23, "CLFLUSHOPT", "CLFLUSHOPT", "cache control"),
  instruction(24, "CLWB", "CLWB", "cache control"),
  kernel(25, "INTEL_PT", "processor trace", "tracing"),
  instruction(26, "AVX512PF", "prefetch (Xeon Phi)", AVX512, needs("AVX512F")),
  instruction(27, "AVX512ER", "exponential (Xeon Phi)", AVX512, needs("AVX512F")),
  instruction(28, "AVX512CD", "conflict detection", AVX512, needs("AVX512F")),
  instruction(29, "SHA", "SHA-1, SHA-256", "crypto", { requires: ["SSE2"], aka: ["sha_ni"] }),
  instruction(30, "AVX512BW", "byte and word", AVX512, needs("AVX512F")),
  instruction(31, "AVX512VL", "vector lengths 128 and 256", AVX512, needs("AVX512F")),
]);

const SUBLEAF_0_ECX = inRegister(0x7, 0, "ecx", ref, [
  instruction(0, "PREFETCHWT1", "PREFETCHWT1 (Xeon Phi)", "cache control"),
  instruction(1, "AVX512_VBMI", "vector byte manipulation", AVX512, needs("AVX512BW")),
  kernel(2, "UMIP", "user-mode instruction prevention", "paging"),
  instruction(3, "PKU", "protection keys for user pages", "paging", needs("XSAVE", "XCR0_PKRU")),
  ownedByKvm(4, "OSPKE", "protection keys enabled by the OS", "paging"),
  instruction(5, "WAITPKG", "UMWAIT, TPAUSE", "power"),
  instruction(6, "AVX512_VBMI2", "vector byte manipulation 2", AVX512, needs("AVX512BW")),
  instruction(7, "CET_SS", "shadow stacks", "CET", needs("XSS_CET_U")),
  instruction(8, "GFNI", "Galois field instructions", "crypto", needs("SSE2")),
  instruction(9, "VAES", "vector AES", "crypto", needs("AVX")),
  instruction(10, "VPCLMULQDQ", "vector carry-less multiply", "crypto", needs("AVX")),
  instruction(11, "AVX512_VNNI", "vector neural network", AVX512, needs("AVX512F")),
  instruction(12, "AVX512_BITALG", "bit algorithms", AVX512, needs("AVX512BW")),
  kernel(13, "TME", "total memory encryption", "memory encryption"),
  instruction(14, "AVX512_VPOPCNTDQ", "vector POPCNT", AVX512, needs("AVX512F")),
  kernel(16, "LA57", "57-bit linear addresses", "paging"),
  topology([21, 17], "MAWAU", "MPX address-width adjust", "MPX"),
  instruction(22, "RDPID", "RDPID", "base"),
  instruction(23, "KEYLOCKER", "Key Locker", "crypto"),
  kernel(24, "BUS_LOCK_DETECT", "bus-lock debug exception", "tracing"),
  hint(25, "CLDEMOTE", "CLDEMOTE (else a no-op)", "cache control"),
  instruction(27, "MOVDIRI", "MOVDIRI", "cache control"),
  instruction(28, "MOVDIR64B", "MOVDIR64B", "cache control"),
  instruction(29, "ENQCMD", "enqueue stores", "cache control"),
  kernel(30, "SGX_LC", "SGX launch configuration", "enclaves", needs("SGX")),
  kernel(31, "PKS", "protection keys for supervisor pages", "paging"),
]);

/** AMD's own bits stand in for one of Intel's. */
const backed = (...names: string[]) => ({ reference: KVM_SPEC_CTRL, backedBy: [names] });

const SPECULATION = "speculation control";

const SUBLEAF_0_EDX = inRegister(0x7, 0, "edx", ref, [
  kernel(1, "SGX_KEYS", "SGX attestation services", "enclaves", needs("SGX")),
  instruction(2, "AVX512_4VNNIW", "neural network (Xeon Phi)", AVX512, needs("AVX512F")),
  instruction(3, "AVX512_4FMAPS", "multiply-accumulate (Xeon Phi)", AVX512, needs("AVX512F")),
  hint(4, "FSRM", "fast short REP MOV", "string operations"),
  instruction(5, "UINTR", "user interrupts", "interrupts"),
  instruction(8, "AVX512_VP2INTERSECT", "VP2INTERSECT", AVX512, needs("AVX512F")),
  kernel(9, "SRBDS_CTRL", "MCU_OPT_CTRL MSR", SPECULATION),
  remedy(10, "MD_CLEAR", "VERW clears CPU buffers", SPECULATION, {
    reference: INTEL_VERW,
    // Linux takes a CPU with TSX, or with a switch for it, for prey of TAA unless it says TAA_NO.
    backedBy: [
      ["MDS_NO", "TAA_NO"],
      ["MDS_NO", "!RTM", "!TSX_CTRL"],
    ],
  }),
  kernel(11, "RTM_ALWAYS_ABORT", "XBEGIN always aborts", "TSX"),
  kernel(13, "TSX_FORCE_ABORT", "TSX_FORCE_ABORT MSR", "TSX"),
  instruction(14, "SERIALIZE", "SERIALIZE", "base"),
  topology(15, "HYBRID", "hybrid part", "topology"),
  instruction(16, "TSXLDTRK", "TSX load address tracking", "TSX"),
  kernel(18, "PCONFIG", "PCONFIG", "memory encryption"),
  kernel(19, "ARCH_LBR", "architectural last branch records", "tracing"),
  instruction(20, "CET_IBT", "indirect branch tracking", "CET", {
    ...needs("XSS_CET_U"),
    aka: ["ibt"],
  }),
  instruction(22, "AMX_BF16", "tile bfloat16", "AMX", needs("AMX_TILE")),
  instruction(23, "AVX512_FP16", "half-precision", AVX512, needs("AVX512BW")),
  instruction(24, "AMX_TILE", "tiles", "AMX", needs("XSAVE", "XCR0_XTILECFG", "XCR0_XTILEDATA")),
  instruction(25, "AMX_INT8", "tile 8-bit integer", "AMX", needs("AMX_TILE")),
  kernel(26, "SPEC_CTRL", "IBRS and IBPB", SPECULATION, backed("AMD_IBRS", "AMD_IBPB")),
  kernel(27, "STIBP", "single-thread indirect branch predictors", SPECULATION, backed("AMD_STIBP")),
  kernel(28, "FLUSH_L1D", "FLUSH_CMD MSR", SPECULATION),
  kernel(29, "ARCH_CAPABILITIES", "ARCH_CAPABILITIES MSR", SPECULATION),
  kernel(30, "CORE_CAPABILITIES", "CORE_CAPABILITIES MSR", SPECULATION, {
    aka: ["core-capability"],
  }),
  kernel(31, "SSBD", "speculative store bypass disable", SPECULATION, backed("AMD_SSBD")),
]);

const SUBLEAF_1_EAX = inRegister(0x7, 1, "eax", ref, [
  instruction(0, "SHA512", "SHA-512", "crypto", needs("AVX")),
  instruction(1, "SM3", "SM3", "crypto", needs("AVX")),
  instruction(2, "SM4", "SM4", "crypto", needs("AVX")),
  instruction(3, "RAO_INT", "remote atomic operations", "base"),
  instruction(4, "AVX_VNNI", "VEX neural network", "AVX", needs("AVX2")),
  instruction(5, "AVX512_BF16", "bfloat16", AVX512, needs("AVX512F")),
  kernel(6, "LASS", "linear address space separation", "paging"),
  instruction(7, "CMPCCXADD", "CMPccXADD", "base"),
  kernel(8, "ARCH_PERFMON_EXT", "extended performance monitoring", "tracing"),
  hint(10, "FZRM", "fast zero-length REP MOVSB", "string operations"),
  hint(11, "FSRS", "fast short REP STOSB", "string operations"),
  hint(12, "FSRC", "fast short REP CMPSB/SCASB", "string operations"),
  kernel(17, "FRED", "flexible return and event delivery", "interrupts"),
  kernel(18, "LKGS", "LKGS", "base"),
  kernel(19, "WRMSRNS", "non-serializing WRMSR", "base"),
  kernel(20, "NMI_SRC", "NMI source reporting", "interrupts"),
  instruction(21, "AMX_FP16", "tile half-precision", "AMX", needs("AMX_TILE")),
  instruction(22, "HRESET", "history reset", "power"),
  instruction(23, "AVX_IFMA", "VEX integer fused multiply-add", "AVX", needs("AVX2")),
  kernel(26, "LAM", "linear address masking", "paging"),
  kernel(27, "MSRLIST", "RDMSRLIST/WRMSRLIST", "base"),
  kernel(30, "INVD_DISABLED", "INVD disabled after BIOS", "caches"),
  instruction(31, "MOVRS", "MOVRS", "cache control"),
]);

const SUBLEAF_1_REST: readonly CpuidField[] = [
  ...inEntry(0x7, 1, ref, {
    ebx: [
      kernel(0, "PPIN", "protected processor inventory number", "identity"),
      instruction(1, "PBNDKB", "storage encryption key binding", "memory encryption"),
    ],
    ecx: [kernel(5, "MSR_IMM", "RDMSR/WRMSRNS with an immediate", "base")],
    edx: [
      instruction(4, "AVX_VNNI_INT8", "8-bit neural network", "AVX", needs("AVX2")),
      instruction(5, "AVX_NE_CONVERT", "no-exception conversion", "AVX", needs("AVX2")),
      instruction(8, "AMX_COMPLEX", "tile complex numbers", "AMX", needs("AMX_TILE")),
      instruction(10, "AVX_VNNI_INT16", "16-bit neural network", "AVX", needs("AVX2")),
      kernel(13, "UTMR", "user timer", "interrupts"),
      hint(14, "PREFETCHI", "PREFETCHIT0/1 (else a no-op)", "cache control"),
      instruction(15, "USER_MSR", "URDMSR/UWRMSR", "base"),
      kernel(17, "UIRET_UIF", "UIRET sets UIF", "interrupts", needs("UINTR")),
      kernel(18, "CET_SSS", "supervisor shadow stacks safe", "CET", needs("CET_SS")),
      instruction(19, "AVX10", "AVX10", AVX512, needs("AVX512F")),
      instruction(21, "APX_F", "advanced performance extensions", "base", needs("XCR0_APX")),
      kernel(23, "MWAIT_EXT", "MWAIT without MONITOR leaf", "power"),
      kernel(24, "SLSM", "static lockstep mode", "machine check"),
    ],
  }),
];

const SUBLEAF_2 = inRegister(0x7, 2, "edx", ref, [
  // Linux guests never write these three bits of SPEC_CTRL, so that losing them cannot fault.
  control(0, "PSFD", "predictive store forwarding disable", SPECULATION),
  control(1, "IPRED_CTRL", "SPEC_CTRL.IPRED_DIS", SPECULATION),
  kernel(2, "RRSBA_CTRL", "SPEC_CTRL.RRSBA_DIS", SPECULATION),
  control(3, "DDPD_U", "SPEC_CTRL.DDPD_U", SPECULATION),
  kernel(4, "BHI_CTRL", "SPEC_CTRL.BHI_DIS_S", SPECULATION),
  immunity(5, "MCDT_NO", "no MXCSR-dependent timing", "immunities"),
  kernel(6, "UC_LOCK_DISABLE", "UC-lock disable", "machine check"),
  immunity(7, "MONITOR_MITG_NO", "no MONITOR/UMONITOR mitigation needed", "immunities"),
]);

export const STRUCTURED_FIELDS: readonly CpuidField[] = [
  ...inEntry(0x7, 0, ref, {
    eax: [minimum([31, 0], "MAX_LEAF7_SUBLEAF", "highest subleaf of leaf 7", "levels")],
  }),
  ...SUBLEAF_0_EBX,
  ...SUBLEAF_0_ECX,
  ...SUBLEAF_0_EDX,
  ...SUBLEAF_1_EAX,
  ...SUBLEAF_1_REST,
  ...SUBLEAF_2,
];
