/**
 * What QEMU calls a feature, where that is not the feature's own name in small letters.
 * Source: QEMU target/i386/cpu.c, `feature_word_info`; a test asks QEMU itself for every bit.
 */
const OTHER_NAMES: Readonly<Record<string, string>> = {
  AESNI: "aes",
  AMD_IBPB: "ibpb",
  AMD_IBRS: "ibrs",
  AMD_SSB_NO: "amd-no-ssb",
  AVX512_BITALG: "avx512bitalg",
  AVX512_IFMA: "avx512ifma",
  AVX512_VBMI: "avx512vbmi",
  AVX512_VBMI2: "avx512vbmi2",
  AVX512_VNNI: "avx512vnni",
  CMPXCHG16B: "cx16",
  CMPXCHG8B: "cx8",
  CNXT_ID: "cid",
  CORE_CAPABILITIES: "core-capability",
  CR8_LEGACY: "cr8legacy",
  EIST: "est",
  HTT: "ht",
  INVARIANT_TSC: "invtsc",
  LZCNT: "abm",
  PREFETCHW: "3dnowprefetch",
  PSN: "pn",
  SELF_SNOOP: "ss",
  SGX_LC: "sgxlc",
  SHA: "sha-ni",
  SSE3: "pni",
  SSE4_1: "sse4.1",
  SSE4_2: "sse4.2",
  TSXLDTRK: "tsx-ldtrk",
};

/** Properties for numbers. The rest of CPUID's numbers follow from features in QEMU. */
export const NUMBER_PROPERTIES: Readonly<Record<string, string>> = {
  MAX_BASIC_LEAF: "level",
  MAX_LEAF7_SUBLEAF: "level-func7",
  MAX_EXTENDED_LEAF: "xlevel",
  MAXPHYADDR: "phys-bits",
};

/** The property of a feature, if this QEMU has one. */
export function propertyOf(feature: string, known: ReadonlySet<string>): string | undefined {
  const name = OTHER_NAMES[feature] ?? feature.toLowerCase().replaceAll("_", "-");
  return known.has(name) ? name : undefined;
}
