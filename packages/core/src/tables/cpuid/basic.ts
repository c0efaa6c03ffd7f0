/** Leaves 0x0 to 0x6: vendor, identity, first feature words, caches, power. */
import { REGISTERS } from "../../cpuid.ts";
import {
  derived,
  identity,
  inEntry,
  inRegister,
  instruction,
  kernel,
  kernelHint,
  minimum,
  needs,
  ownedByKvm,
  topology,
  type CpuidField,
} from "../field.ts";
import { APM, SDM } from "../references.ts";

const ref = { reference: `${SDM}; ${APM}` };

const LEAF_0: readonly CpuidField[] = [
  ...inEntry(0x0, 0, ref, {
    eax: [minimum([31, 0], "MAX_BASIC_LEAF", "highest basic leaf", "levels")],
    ebx: [identity([31, 0], "VENDOR_0", "vendor, characters 1–4", "identity")],
    ecx: [identity([31, 0], "VENDOR_2", "vendor, characters 9–12", "identity")],
    edx: [identity([31, 0], "VENDOR_1", "vendor, characters 5–8", "identity")],
  }),
];

const LEAF_1_EAX = inRegister(0x1, 0, "eax", ref, [
  identity([3, 0], "STEPPING", "stepping", "identity"),
  identity([7, 4], "MODEL", "model", "identity"),
  identity([11, 8], "FAMILY", "family", "identity"),
  identity([13, 12], "PROCESSOR_TYPE", "processor type", "identity"),
  identity([19, 16], "EXT_MODEL", "extended model", "identity"),
  identity([27, 20], "EXT_FAMILY", "extended family", "identity"),
]);

const LEAF_1_EBX = inRegister(0x1, 0, "ebx", ref, [
  topology([7, 0], "BRAND_INDEX", "brand index", "identity"),
  topology([15, 8], "CLFLUSH_LINE_SIZE", "CLFLUSH line size, in 8 bytes", "caches"),
  topology([23, 16], "MAX_LOGICAL_IDS", "addressable logical processors", "topology"),
  topology([31, 24], "INITIAL_APIC_ID", "initial APIC id", "topology"),
]);

const intel = { vendors: ["intel"] } as const;
const hwp = { ...intel, requires: ["HWP"] } as const;

const LEAF_1_ECX = inRegister(0x1, 0, "ecx", ref, [
  instruction(0, "SSE3", "SSE3", "SSE", { requires: ["SSE2"], aka: ["pni"] }),
  instruction(1, "PCLMULQDQ", "carry-less multiply", "crypto", {
    ...needs("SSE2"),
    aka: ["pclmuldq"],
  }),
  kernel(2, "DTES64", "64-bit debug store", "tracing", { ...intel, requires: ["DS"] }),
  kernel(3, "MONITOR", "MONITOR/MWAIT", "power"),
  kernel(4, "DS_CPL", "debug store by privilege level", "tracing", { ...intel, requires: ["DS"] }),
  kernel(5, "VMX", "virtual machine extensions", "virtualization", intel),
  kernel(6, "SMX", "safer mode extensions", "virtualization", intel),
  kernel(7, "EIST", "Enhanced SpeedStep", "power", { ...intel, aka: ["est"] }),
  kernel(8, "TM2", "thermal monitor 2", "power", intel),
  instruction(9, "SSSE3", "SSSE3", "SSE", needs("SSE3")),
  kernel(10, "CNXT_ID", "L1 context id", "caches", { ...intel, aka: ["cid"] }),
  kernel(11, "SDBG", "silicon debug MSR", "tracing", intel),
  instruction(12, "FMA", "fused multiply-add", "AVX", needs("AVX")),
  instruction(13, "CMPXCHG16B", "CMPXCHG16B", "base", { aka: ["cx16"] }),
  kernel(14, "XTPR", "xTPR update control", "interrupts", intel),
  kernel(15, "PDCM", "perf/debug capability MSR", "tracing", intel),
  kernel(17, "PCID", "process-context identifiers", "paging"),
  kernel(18, "DCA", "direct cache access", "caches", intel),
  instruction(19, "SSE4_1", "SSE4.1", "SSE", needs("SSSE3")),
  instruction(20, "SSE4_2", "SSE4.2", "SSE", needs("SSE4_1")),
  kernel(21, "X2APIC", "x2APIC", "interrupts"),
  instruction(22, "MOVBE", "MOVBE", "bit manipulation"),
  instruction(23, "POPCNT", "POPCNT", "bit manipulation"),
  kernel(24, "TSC_DEADLINE", "TSC deadline timer", "interrupts", { aka: ["tsc_deadline_timer"] }),
  instruction(25, "AESNI", "AES instructions", "crypto", { requires: ["SSE2"], aka: ["aes"] }),
  instruction(26, "XSAVE", "XSAVE/XRSTOR", "XSAVE"),
  ownedByKvm(27, "OSXSAVE", "XSAVE enabled by the OS", "XSAVE"),
  instruction(28, "AVX", "AVX", "AVX", needs("XSAVE", "XCR0_AVX")),
  instruction(29, "F16C", "half-precision conversion", "AVX", needs("AVX")),
  instruction(30, "RDRAND", "RDRAND", "crypto"),
  kernel(31, "HYPERVISOR", "running under a hypervisor", "paravirtualization"),
]);

const LEAF_1_EDX = inRegister(0x1, 0, "edx", ref, [
  instruction(0, "FPU", "x87", "base"),
  kernel(1, "VME", "virtual-8086 enhancements", "base"),
  kernel(2, "DE", "debugging extensions", "base"),
  kernel(3, "PSE", "4 MiB pages", "paging"),
  instruction(4, "TSC", "time stamp counter", "base"),
  kernel(5, "MSR", "RDMSR/WRMSR", "base"),
  kernel(6, "PAE", "physical address extension", "paging"),
  kernel(7, "MCE", "machine check exception", "machine check"),
  instruction(8, "CMPXCHG8B", "CMPXCHG8B", "base", { aka: ["cx8"] }),
  kernel(9, "APIC", "on-chip APIC", "interrupts"),
  instruction(11, "SEP", "SYSENTER/SYSEXIT", "base"),
  kernel(12, "MTRR", "memory type range registers", "paging"),
  kernel(13, "PGE", "global pages", "paging"),
  kernel(14, "MCA", "machine check architecture", "machine check"),
  instruction(15, "CMOV", "conditional moves", "base"),
  kernel(16, "PAT", "page attribute table", "paging"),
  kernel(17, "PSE36", "36-bit 4 MiB pages", "paging"),
  kernel(18, "PSN", "processor serial number", "identity", intel),
  instruction(19, "CLFLUSH", "CLFLUSH", "cache control"),
  kernel(21, "DS", "debug store", "tracing", { ...intel, aka: ["dts"] }),
  kernel(22, "ACPI", "thermal monitor MSRs", "power", intel),
  instruction(23, "MMX", "MMX", "base"),
  instruction(24, "FXSR", "FXSAVE/FXRSTOR", "base"),
  instruction(25, "SSE", "SSE", "SSE", needs("FXSR")),
  instruction(26, "SSE2", "SSE2", "SSE", needs("SSE")),
  kernelHint(27, "SELF_SNOOP", "self snoop", "caches", { aka: ["ss"] }),
  topology(28, "HTT", "more than one logical processor", "topology", { aka: ["ht"] }),
  kernel(29, "TM", "thermal monitor", "power", intel),
  kernel(31, "PBE", "pending break enable", "power", intel),
]);

const LEAVES_2_TO_5: readonly CpuidField[] = REGISTERS.flatMap((register) => [
  ...inRegister(0x2, 0, register, { reference: SDM }, [
    topology([31, 0], `CACHE_DESCRIPTORS_${register}`, "cache and TLB descriptors", "caches"),
  ]),
  ...inRegister(0x4, undefined, register, { reference: SDM }, [
    topology([31, 0], `CACHE_PARAMETERS_${register}`, "deterministic cache parameters", "caches"),
  ]),
  ...inRegister(0x5, 0, register, ref, [
    derived([31, 0], `MONITOR_${register}`, "MONITOR line sizes and C-states", "power", {
      of: "MONITOR",
    }),
  ]),
]);

const LEAF_6: readonly CpuidField[] = [
  ...inEntry(0x6, 0, ref, {
    eax: [
      kernel(0, "DTHERM", "digital thermal sensor", "power", intel),
      kernel(1, "TURBO_BOOST", "Turbo Boost", "power", { ...intel, aka: ["ida"] }),
      kernel(2, "ARAT", "always-running APIC timer", "power"),
      kernel(4, "PLN", "power limit notification", "power", intel),
      kernel(5, "ECMD", "clock modulation extension", "power", intel),
      kernel(6, "PTM", "package thermal management", "power", { ...intel, aka: ["pts"] }),
      kernel(7, "HWP", "hardware P-states", "power", intel),
      kernel(8, "HWP_NOTIFICATION", "HWP notification", "power", { ...hwp, aka: ["hwp_notify"] }),
      kernel(9, "HWP_ACTIVITY_WINDOW", "HWP activity window", "power", {
        ...hwp,
        aka: ["hwp_act_window"],
      }),
      kernel(10, "HWP_EPP", "HWP energy preference", "power", hwp),
      kernel(11, "HWP_PACKAGE", "HWP package request", "power", { ...hwp, aka: ["hwp_pkg_req"] }),
      kernel(13, "HDC", "hardware duty cycling", "power", intel),
      kernel(14, "TURBO_BOOST_MAX", "Turbo Boost Max 3.0", "power", intel),
      kernel(15, "HWP_CAPABILITIES", "HWP highest performance change", "power", intel),
      kernel(16, "HWP_PECI", "HWP PECI override", "power", intel),
      kernel(17, "HWP_FLEXIBLE", "flexible HWP", "power", intel),
      kernel(18, "HWP_FAST", "fast HWP request", "power", intel),
      kernel(19, "HFI", "hardware feedback interface", "power", intel),
      kernel(20, "HWP_IGNORE_IDLE", "HWP ignores idle", "power", intel),
      kernel(23, "THREAD_DIRECTOR", "thread director", "power", intel),
    ],
    ebx: [topology([3, 0], "THERMAL_THRESHOLDS", "thermal interrupt thresholds", "power")],
    ecx: [
      kernel(0, "APERFMPERF", "APERF/MPERF MSRs", "power"),
      kernel(3, "EPB", "energy performance bias", "power", intel),
      topology([15, 8], "THREAD_DIRECTOR_CLASSES", "thread director classes", "power", intel),
    ],
    edx: [topology([31, 0], "HARDWARE_FEEDBACK", "hardware feedback layout", "power", intel)],
  }),
];

export const BASIC_FIELDS: readonly CpuidField[] = [
  ...LEAF_0,
  ...LEAF_1_EAX,
  ...LEAF_1_EBX,
  ...LEAF_1_ECX,
  ...LEAF_1_EDX,
  ...LEAVES_2_TO_5,
  ...LEAF_6,
];
