/** Leaves 0x9 to 0x24 other than 0xD: each describes one facility, or the machine's topology. */
import {
  derived,
  inEntry,
  inRegister,
  instruction,
  kernel,
  minimum,
  needs,
  topology,
  weakness,
  wholeLeaf,
  type CpuidField,
} from "../field.ts";
import { ALIAS_GROUP } from "../groups.ts";
import { SDM } from "../references.ts";

const ref = { reference: SDM };
/** Every register of a leaf in all its subleaves belongs to one feature. */
function leafOf(leaf: number, feature: string, title: string, group: string): CpuidField[] {
  return wholeLeaf(leaf, ref, (name) => derived([31, 0], name, title, group, { of: feature }));
}

function topologyLeaf(leaf: number, title: string, group: string): CpuidField[] {
  return wholeLeaf(leaf, ref, (name) => topology([31, 0], name, title, group));
}

const [pt, tile, avx10] = [{ of: "INTEL_PT" }, { of: "AMX_TILE" }, { of: "AVX10" }];

const PERFMON: readonly CpuidField[] = [
  ...inRegister(0xa, 0, "eax", ref, [
    minimum([7, 0], "PMU_VERSION", "performance monitoring version", "tracing"),
    minimum([15, 8], "PMU_COUNTERS", "general counters", "tracing"),
    minimum([23, 16], "PMU_COUNTER_WIDTH", "general counter width", "tracing"),
    minimum([31, 24], "PMU_EVENTS", "length of the event vector", "tracing"),
  ]),
  // A set bit says that the event is *not* there.
  ...inEntry(0xa, 0, ref, {
    ebx: [weakness([31, 0], "PMU_EVENTS_MISSING", "events not available", "tracing")],
    ecx: [minimum([31, 0], "PMU_FIXED_BITMAP", "fixed counters", "tracing")],
    edx: [
      minimum([4, 0], "PMU_FIXED_COUNTERS", "contiguous fixed counters", "tracing"),
      minimum([12, 5], "PMU_FIXED_WIDTH", "fixed counter width", "tracing"),
      minimum(15, "PMU_ANYTHREAD_DEPRECATED", "AnyThread deprecated", "tracing"),
    ],
  }),
];

const AMX: readonly CpuidField[] = [
  ...leafOf(0x1d, "AMX_TILE", "tile palettes", "AMX"),
  ...inEntry(0x1e, 0, ref, {
    eax: [minimum([31, 0], "MAX_TMUL_SUBLEAF", "highest subleaf of leaf 1EH", "levels", tile)],
    ebx: [derived([23, 0], "TMUL_LIMITS", "tile multiply limits", "AMX", tile)],
  }),
  ...inRegister(0x1e, 1, "eax", ref, [
    instruction(0, "AMX_INT8_ALIAS", "AMX_INT8 again", ALIAS_GROUP, needs("AMX_INT8")),
    instruction(1, "AMX_BF16_ALIAS", "AMX_BF16 again", ALIAS_GROUP, needs("AMX_BF16")),
    instruction(2, "AMX_COMPLEX_ALIAS", "AMX_COMPLEX again", ALIAS_GROUP, needs("AMX_COMPLEX")),
    instruction(3, "AMX_FP16_ALIAS", "AMX_FP16 again", ALIAS_GROUP, needs("AMX_FP16")),
    instruction(4, "AMX_FP8", "tile 8-bit float", "AMX", needs("AMX_TILE")),
    instruction(6, "AMX_TF32", "tile TF32", "AMX", needs("AMX_TILE")),
    instruction(7, "AMX_AVX512", "tile to AVX-512 moves", "AMX", needs("AMX_TILE", "AVX512F")),
    instruction(8, "AMX_MOVRS", "tile read-shared loads", "AMX", needs("AMX_TILE")),
  ]),
];

const ENCLAVES = inRegister(0x12, 0, "eax", ref, [
  instruction(0, "SGX1", "ENCLU and ENCLS", "enclaves", needs("SGX")),
  instruction(1, "SGX2", "enclaves that grow", "enclaves", needs("SGX1")),
  derived([4, 2], "SGX_CAPABILITIES_4_2", "SGX capabilities", "enclaves", { of: "SGX" }),
  kernel(5, "ENCLV", "ENCLV", "enclaves", needs("SGX")),
  derived([31, 6], "SGX_CAPABILITIES_31_6", "SGX capabilities", "enclaves", { of: "SGX" }),
]);

const TRACING = inRegister(0x14, 0, "ebx", ref, [
  derived([3, 0], "PT_CAPABILITIES_3_0", "processor trace capabilities", "tracing", pt),
  instruction(4, "PTWRITE", "PTWRITE", "tracing", needs("INTEL_PT")),
  derived([31, 5], "PT_CAPABILITIES_31_5", "processor trace capabilities", "tracing", pt),
]);

const KEY_LOCKER = inRegister(0x19, 0, "ebx", ref, [
  instruction(0, "AESKLE", "AES with Key Locker", "crypto", needs("KEYLOCKER")),
  derived(1, "KEYLOCKER_RESERVED_1", "Key Locker capabilities", "crypto", { of: "KEYLOCKER" }),
  instruction(2, "WIDE_KL", "wide AES with Key Locker", "crypto", needs("AESKLE")),
  derived([31, 3], "KEYLOCKER_31_3", "Key Locker capabilities", "crypto", { of: "KEYLOCKER" }),
]);

const AVX10: readonly CpuidField[] = [
  ...inEntry(0x24, 0, ref, {
    eax: [minimum([31, 0], "MAX_AVX10_SUBLEAF", "highest subleaf of leaf 24H", "levels", avx10)],
    ebx: [
      minimum([7, 0], "AVX10_VERSION", "AVX10 version", "AVX-512", avx10),
      instruction(16, "AVX10_128", "128-bit vectors", "AVX-512", needs("AVX10")),
      instruction(17, "AVX10_256", "256-bit vectors", "AVX-512", needs("AVX10")),
      instruction(18, "AVX10_512", "512-bit vectors", "AVX-512", needs("AVX10")),
    ],
  }),
  ...inEntry(0x24, 1, ref, {
    ecx: [instruction(2, "AVX10_VNNI_INT", "AVX10 integer VNNI", "AVX-512", needs("AVX10"))],
  }),
];

export const ENUMERATION_FIELDS: readonly CpuidField[] = [
  ...leafOf(0x9, "DCA", "direct cache access", "caches"),
  ...PERFMON,
  ...topologyLeaf(0xb, "extended topology", "topology"),
  ...leafOf(0xf, "RDT_M", "resource monitoring", "resource control"),
  ...leafOf(0x10, "RDT_A", "resource allocation", "resource control"),
  ...ENCLAVES,
  ...leafOf(0x12, "SGX", "SGX capabilities", "enclaves"),
  ...TRACING,
  ...leafOf(0x14, "INTEL_PT", "processor trace capabilities", "tracing"),
  ...topologyLeaf(0x15, "TSC and crystal clock", "frequencies"),
  ...topologyLeaf(0x16, "processor frequencies", "frequencies"),
  ...topologyLeaf(0x17, "system-on-chip vendor", "identity"),
  ...topologyLeaf(0x18, "address translation caches", "caches"),
  ...KEY_LOCKER,
  ...leafOf(0x19, "KEYLOCKER", "Key Locker capabilities", "crypto"),
  ...topologyLeaf(0x1a, "native model id", "topology"),
  ...leafOf(0x1b, "PCONFIG", "PCONFIG targets", "memory encryption"),
  ...leafOf(0x1c, "ARCH_LBR", "last branch record capabilities", "tracing"),
  ...AMX,
  ...topologyLeaf(0x1f, "extended topology v2", "topology"),
  ...leafOf(0x20, "HRESET", "history reset", "power"),
  ...leafOf(0x23, "ARCH_PERFMON_EXT", "extended performance monitoring", "tracing"),
  ...AVX10,
];
