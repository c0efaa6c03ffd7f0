/** Leaves 0x80000000 to 0x80000008: extended features that both vendors define. */
import { REGISTERS } from "../../cpuid.ts";
import {
  aliased,
  hint,
  identity,
  immunity,
  inEntry,
  inRegister,
  instruction,
  kernel,
  kernelHint,
  lack,
  minimum,
  topology,
  type CpuidField,
} from "../field.ts";
import { ALIAS_GROUP } from "../groups.ts";
import { APM, SDM, XEN_FEATURESET } from "../references.ts";

const ref = { reference: `${APM}; ${SDM}` };
const amdRef = { reference: APM, vendors: ["amd"] } as const;
const amd = { vendors: ["amd"] } as const;
const qemuRef = {
  reference: "QEMU target/i386/cpu.c, cpu_x86_cpuid()",
  vendors: ["intel"],
} as const;
const SPECULATION = "speculation control";

const LEVELS: readonly CpuidField[] = [
  ...inEntry(0x8000_0000, 0, ref, {
    eax: [minimum([31, 0], "MAX_EXTENDED_LEAF", "highest extended leaf", "levels")],
  }),
  ...(["ebx", "ecx", "edx"] as const).flatMap((register) =>
    inRegister(0x8000_0000, 0, register, amdRef, [
      identity([31, 0], `EXTENDED_VENDOR_${register}`, "vendor", "identity"),
    ]),
  ),
  // Zero on Intel's CPUs; QEMU repeats there what leaves 0 and 1 say. Nobody reads it.
  ...(["ebx", "ecx", "edx"] as const).flatMap((register) =>
    inRegister(0x8000_0000, 0, register, qemuRef, [
      topology([31, 0], `REPEATED_VENDOR_${register}`, "vendor again, under QEMU", "identity"),
    ]),
  ),
  ...inEntry(0x8000_0001, 0, qemuRef, {
    eax: [topology([31, 0], "REPEATED_SIGNATURE", "signature again, under QEMU", "identity")],
  }),
  ...inEntry(0x8000_0001, 0, amdRef, {
    eax: [
      identity([3, 0], "EXTENDED_STEPPING", "stepping", "identity"),
      identity([7, 4], "EXTENDED_MODEL", "model", "identity"),
      identity([11, 8], "EXTENDED_FAMILY", "family", "identity"),
      identity([19, 16], "EXTENDED_EXT_MODEL", "extended model", "identity"),
      identity([27, 20], "EXTENDED_EXT_FAMILY", "extended family", "identity"),
    ],
    ebx: [
      topology([15, 0], "BRAND_ID", "brand id", "identity"),
      topology([31, 28], "PACKAGE_TYPE", "package type", "identity"),
    ],
  }),
];

const FEATURES_ECX = inRegister(0x8000_0001, 0, "ecx", ref, [
  instruction(0, "LAHF_LM", "LAHF/SAHF in long mode", "base"),
  topology(1, "CMP_LEGACY", "multi-processing legacy mode", "topology", amd),
  kernel(2, "SVM", "secure virtual machine", "virtualization", amd),
  kernel(3, "EXTAPIC", "extended APIC space", "interrupts", amd),
  kernel(4, "CR8_LEGACY", "LOCK MOV CR0 as MOV CR8", "base", amd),
  aliased(5, "LZCNT", "LZCNT (ABM)", "bit manipulation", { aka: ["abm"] }),
  instruction(6, "SSE4A", "SSE4a", "SSE", { ...amd, requires: ["SSE3"] }),
  instruction(7, "MISALIGNSSE", "misaligned SSE mode", "SSE", amd),
  hint(8, "PREFETCHW", "PREFETCHW (else a no-op)", "cache control", { aka: ["3dnowprefetch"] }),
  kernel(9, "OSVW", "OS visible workarounds", "machine check", amd),
  kernel(10, "IBS", "instruction based sampling", "tracing", amd),
  instruction(11, "XOP", "XOP", "AVX", { ...amd, requires: ["AVX"] }),
  kernel(12, "SKINIT", "SKINIT", "virtualization", amd),
  kernel(13, "WDT", "watchdog timer", "machine check", amd),
  instruction(15, "LWP", "lightweight profiling", "tracing", amd),
  instruction(16, "FMA4", "FMA4", "AVX", { ...amd, requires: ["AVX"] }),
  kernel(17, "TCE", "translation cache extension", "paging", amd),
  kernel(19, "NODEID_MSR", "NodeId MSR", "topology", amd),
  instruction(21, "TBM", "trailing bit manipulation", "bit manipulation", amd),
  kernel(22, "TOPOEXT", "topology extensions", "topology", amd),
  kernel(23, "PERFCTR_CORE", "core performance counters", "tracing", amd),
  kernel(24, "PERFCTR_NB", "northbridge performance counters", "tracing", amd),
  kernel(26, "BPEXT", "data breakpoint extension", "tracing", amd),
  kernel(27, "PTSC", "performance time stamp counter", "tracing", amd),
  kernel(28, "PERFCTR_LLC", "L3 performance counters", "tracing", amd),
  instruction(29, "MWAITX", "MONITORX/MWAITX", "power", amd),
  kernel(30, "ADDR_MASK_EXT", "breakpoint address mask extension", "tracing", amd),
]);

const ALIASES: readonly (readonly [bit: number, name: string])[] = [
  [0, "FPU"],
  [1, "VME"],
  [2, "DE"],
  [3, "PSE"],
  [4, "TSC"],
  [5, "MSR"],
  [6, "PAE"],
  [7, "MCE"],
  [8, "CMPXCHG8B"],
  [9, "APIC"],
  [12, "MTRR"],
  [13, "PGE"],
  [14, "MCA"],
  [15, "CMOV"],
  [16, "PAT"],
  [17, "PSE36"],
  [23, "MMX"],
  [24, "FXSR"],
];

const FEATURES_EDX = inRegister(0x8000_0001, 0, "edx", ref, [
  // AMD repeats these bits of leaf 1.
  ...ALIASES.map(([bit, name]) => ({
    ...kernel(bit, `EXTENDED_${name}`, `${name} again`, ALIAS_GROUP, amd),
    requires: [name],
  })),
  instruction(11, "SYSCALL", "SYSCALL/SYSRET", "base"),
  kernel(19, "MP", "multiprocessing capable", "topology", amd),
  kernel(20, "NX", "no-execute pages", "paging", { aka: ["xd"] }),
  instruction(22, "MMXEXT", "MMX extensions", "base", amd),
  hint(25, "FFXSR", "fast FXSAVE", "base", { ...amd, aka: ["fxsr_opt"] }),
  kernel(26, "PDPE1GB", "1 GiB pages", "paging"),
  instruction(27, "RDTSCP", "RDTSCP", "base"),
  instruction(29, "LM", "long mode", "base", { aka: ["i64"] }),
  instruction(30, "3DNOWEXT", "3DNow! extensions", "base", amd),
  instruction(31, "3DNOW", "3DNow!", "base", amd),
]);

const BRAND_AND_CACHES: readonly CpuidField[] = REGISTERS.flatMap((register) => [
  ...[0x8000_0002, 0x8000_0003, 0x8000_0004].flatMap((leaf, part) =>
    inRegister(leaf, 0, register, ref, [
      topology([31, 0], `BRAND_STRING_${part}_${register}`, "brand string", "identity"),
    ]),
  ),
  ...inRegister(0x8000_0005, 0, register, ref, [
    topology([31, 0], `L1_CACHE_${register}`, "L1 caches and TLBs", "caches"),
  ]),
  ...inRegister(0x8000_0006, 0, register, ref, [
    topology([31, 0], `L2_CACHE_${register}`, "L2 and L3 caches and TLBs", "caches"),
  ]),
]);

const POWER: readonly CpuidField[] = [
  ...inEntry(0x8000_0007, 0, amdRef, {
    ebx: [
      kernel(0, "OVERFLOW_RECOV", "machine check overflow recovery", "machine check"),
      kernel(1, "SUCCOR", "uncorrectable error containment", "machine check"),
      kernel(2, "HW_ASSERT", "hardware assert", "machine check"),
      kernel(3, "SMCA", "scalable machine check", "machine check"),
    ],
    ecx: [topology([31, 0], "POWER_SAMPLE_RATIO", "power sample ratio", "power")],
  }),
  ...inRegister(0x8000_0007, 0, "edx", ref, [
    kernel(0, "DIGITAL_TEMP", "digital temperature sensor", "power", amd),
    kernel(1, "POWERNOW_FID", "frequency scaling", "power", amd),
    kernel(2, "POWERNOW_VID", "voltage scaling", "power", amd),
    kernel(3, "THERMTRIP", "thermal trip", "power", amd),
    kernel(4, "HW_THERMAL_CONTROL", "hardware thermal control", "power", amd),
    kernel(5, "SW_THERMAL_CONTROL", "software thermal control", "power", amd),
    kernel(6, "STEPS_100MHZ", "100 MHz steps", "power", amd),
    kernel(7, "HW_PSTATE", "hardware P-states", "power", amd),
    kernel(8, "INVARIANT_TSC", "invariant TSC", "time", { aka: ["nonstop_tsc", "invtsc"] }),
    kernel(9, "CPB", "core performance boost", "power", amd),
    kernel(10, "EFF_FREQ_RO", "read-only effective frequency", "power", amd),
    kernel(11, "PROC_FEEDBACK", "processor feedback", "power", amd),
    kernel(12, "ACC_POWER", "accumulated power", "power", amd),
    kernel(13, "CONNECTED_STANDBY", "connected standby", "power", amd),
    kernel(14, "RAPL", "running average power limit", "power", amd),
  ]),
];

const ADDRESSES_EAX = inRegister(0x8000_0008, 0, "eax", ref, [
  minimum([7, 0], "MAXPHYADDR", "physical address bits", "paging"),
  minimum([15, 8], "LINEAR_ADDRESS_BITS", "linear address bits", "paging"),
  minimum(
    [23, 16],
    "GUEST_MAXPHYADDR",
    "guest physical address bits (0: as MAXPHYADDR)",
    "paging",
    { ofCpuidAlone: true },
  ),
]);

const ADDRESSES_EBX = inRegister(0x8000_0008, 0, "ebx", ref, [
  instruction(0, "CLZERO", "CLZERO", "cache control", amd),
  kernel(1, "IRPERF", "instructions retired counter", "tracing", amd),
  kernel(2, "XSAVEERPTR", "XSAVE always saves error pointers", "x87", amd),
  kernel(3, "INVLPGB", "broadcast TLB invalidation", "paging", amd),
  instruction(4, "RDPRU", "RDPRU", "base", amd),
  kernel(6, "MBA", "memory bandwidth allocation", "resource control", amd),
  instruction(8, "MCOMMIT", "MCOMMIT", "cache control", amd),
  // Older CPUs execute WBINVD instead (AMD APM vol. 3, WBNOINVD).
  kernelHint(9, "WBNOINVD", "WBNOINVD", "cache control"),
  kernel(12, "AMD_IBPB", "IBPB", SPECULATION, { aka: ["ibpb"] }),
  kernel(13, "INT_WBINVD", "interruptible WBINVD", "cache control", amd),
  kernel(14, "AMD_IBRS", "IBRS", SPECULATION, { aka: ["ibrs"] }),
  kernel(15, "AMD_STIBP", "STIBP", SPECULATION),
  kernel(16, "IBRS_ALWAYS_ON", "IBRS always on preferred", SPECULATION, amd),
  kernel(17, "STIBP_ALWAYS_ON", "STIBP always on preferred", SPECULATION, amd),
  kernel(18, "IBRS_PREFERRED", "IBRS preferred over software", SPECULATION, amd),
  immunity(19, "IBRS_SAME_MODE", "IBRS protects the same mode", "immunities", amd),
  lack(20, "NO_LMSL", "EFER.LMSLE not supported", "base", { ...amd, reference: XEN_FEATURESET }),
  kernel(21, "INVLPGB_NESTED", "INVLPGB for nested pages", "paging", amd),
  kernel(23, "AMD_PPIN", "protected processor inventory number", "identity", amd),
  kernel(24, "AMD_SSBD", "speculative store bypass disable", SPECULATION),
  kernel(25, "VIRT_SSBD", "VIRT_SPEC_CTRL MSR", SPECULATION, amd),
  immunity(26, "AMD_SSB_NO", "no speculative store bypass", "immunities", amd),
  kernel(27, "CPPC", "collaborative performance control", "power", amd),
  kernel(28, "AMD_PSFD", "predictive store forwarding disable", SPECULATION, amd),
  immunity(29, "BTC_NO", "no branch type confusion", "immunities", amd),
  immunity(30, "IBPB_RET", "IBPB clears the return predictor", "immunities"),
  kernel(31, "BRS", "branch sampling", "tracing", amd),
]);

const ADDRESSES_REST: readonly CpuidField[] = [
  ...inEntry(0x8000_0008, 0, amdRef, {
    ecx: [
      topology([7, 0], "THREAD_COUNT", "threads minus one", "topology"),
      topology([15, 12], "APIC_ID_SIZE", "APIC id size", "topology"),
      topology([17, 16], "PERF_TSC_SIZE", "performance TSC size", "topology"),
    ],
    edx: [
      minimum([15, 0], "INVLPGB_MAX", "INVLPGB page count", "paging", { of: "INVLPGB" }),
      minimum([31, 16], "RDPRU_MAX", "highest RDPRU register", "base", { of: "RDPRU" }),
    ],
  }),
];

export const EXTENDED_FIELDS: readonly CpuidField[] = [
  ...LEVELS,
  ...FEATURES_ECX,
  ...FEATURES_EDX,
  ...BRAND_AND_CACHES,
  ...POWER,
  ...ADDRESSES_EAX,
  ...ADDRESSES_EBX,
  ...ADDRESSES_REST,
];
