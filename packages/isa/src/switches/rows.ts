/**
 * Environment variables that tell a library to use less than the CPU has: one row for each, with
 * the address of its documentation. They narrow what the library chooses; CPUID stays as it is.
 */
import { fieldAddress, fieldByName } from "@evenkeel/core";

export interface Switch {
  /** The dispatcher that it steers, by its name in `scan/dispatchers.ts`. */
  readonly dispatcher: string;
  readonly variable: string;
  /** Its value, for the features that are to be left alone; undefined: it has no word for any. */
  readonly value: (hidden: ReadonlySet<string>) => string | undefined;
  /** What it does not do. */
  readonly but?: string;
  readonly reference: string;
}

type Value = Switch["value"];

/** A word for each hidden feature that there is one for. */
function listed(words: Readonly<Record<string, string>>, join: (words: string[]) => string): Value {
  return (hidden) => {
    const found = Object.keys(words).filter((feature) => hidden.has(feature));
    const unique = [...new Set(found.map((feature) => words[feature] ?? ""))];
    return unique.length === 0 ? undefined : join(unique);
  };
}

/** Levels from the highest on, each with what it uses beyond the ones below it. */
function highest(levels: readonly (readonly [string, ...string[]])[], last: string): Value {
  return (hidden) => {
    const lost = levels.map(([, ...features]) => features.some((feature) => hidden.has(feature)));
    const index = lost.lastIndexOf(true);
    return index === -1 ? undefined : (levels[index + 1]?.[0] ?? last);
  };
}

const same = (...names: readonly string[]) => Object.fromEntries(names.map((name) => [name, name]));

const AVX512 = ["AVX512F", "AVX512CD", "AVX512BW", "AVX512DQ", "AVX512VL"] as const;
/** Ice Lake's, which most libraries take together. */
const ICE_LAKE = [
  "AVX512_VBMI",
  "AVX512_VBMI2",
  "AVX512_IFMA",
  "AVX512_VNNI",
  "AVX512_BITALG",
  "AVX512_VPOPCNTDQ",
] as const;
const SAPPHIRE_RAPIDS = ["AVX512_BF16", "AVX512_FP16", "AMX_TILE", "AMX_INT8", "AMX_BF16"] as const;
const ABOVE_AVX2 = [...AVX512, ...ICE_LAKE, ...SAPPHIRE_RAPIDS, "AVX512_VP2INTERSECT"] as const;

/** OpenSSL's vector: leaf 1 EDX and ECX, then leaf 7 EBX and ECX, 64 bits each. */
const PLACES: Readonly<Record<string, readonly [word: number, shift: number]>> = {
  "CPUID.01H:EDX": [0, 0],
  "CPUID.01H:ECX": [0, 32],
  "CPUID.(EAX=07H,ECX=0):EBX": [1, 0],
  "CPUID.(EAX=07H,ECX=0):ECX": [1, 32],
};

function openssl(hidden: ReadonlySet<string>): string | undefined {
  const words = [0n, 0n];
  for (const feature of hidden) {
    const row = fieldByName(feature);
    const [, register = "", bit] = /^(.*)\[(\d+)\]$/.exec(row ? fieldAddress(row) : "") ?? [];
    const place = PLACES[register];
    if (place === undefined || bit === undefined) continue;
    const [word, shift] = place;
    words[word] = (words[word] ?? 0n) | (1n << BigInt(shift + Number(bit)));
  }
  if (words.every((word) => word === 0n)) return undefined;
  return words.map((word) => `~0x${word.toString(16)}`).join(":");
}

const HOTSPOT_FLAGS = listed(
  {
    SHA: "-XX:-UseSHA",
    AESNI: "-XX:-UseAES",
    PCLMULQDQ: "-XX:-UseCLMUL",
    FMA: "-XX:-UseFMA",
    BMI1: "-XX:-UseBMI1Instructions",
    BMI2: "-XX:-UseBMI2Instructions",
    LZCNT: "-XX:-UseCountLeadingZerosInstruction",
    POPCNT: "-XX:-UsePopCountInstruction",
  },
  (flags) => flags.join(" "),
);
const HOTSPOT_AVX = highest(
  [
    ["3", ...ABOVE_AVX2, "VAES", "VPCLMULQDQ", "GFNI"],
    ["2", "AVX2"],
    ["1", "AVX"],
  ],
  "0",
);

function hotspot(hidden: ReadonlySet<string>): string | undefined {
  const avx = HOTSPOT_AVX(hidden);
  const flags = [avx === undefined ? undefined : `-XX:UseAVX=${avx}`, HOTSPOT_FLAGS(hidden)];
  return flags.filter((flag) => flag !== undefined).join(" ") || undefined;
}

export const SWITCHES: readonly Switch[] = [
  {
    dispatcher: "glibc",
    variable: "GLIBC_TUNABLES",
    value: listed(
      {
        ...same("AVX2", ...AVX512, "BMI1", "BMI2", "ERMS", "FMA", "FMA4", "LZCNT", "MOVBE"),
        ...same("POPCNT", "RTM", "SSE4_1", "SSE4_2", "SSSE3"),
        // Decided before the tunables are read; memmove goes by it alone.
        AVX: "AVX,-AVX_Fast_Unaligned_Load",
      },
      (names) => `glibc.cpu.hwcaps=${names.map((name) => `-${name}`).join(",")}`,
    ),
    but: "ignored by set-user-ID programs",
    reference:
      "https://sourceware.org/glibc/manual/latest/html_node/Hardware-Capability-Tunables.html",
  },
  {
    dispatcher: "OpenSSL",
    variable: "OPENSSL_ia32cap",
    value: openssl,
    reference: "https://docs.openssl.org/master/man3/OPENSSL_ia32cap/",
  },
  {
    dispatcher: "OpenBLAS",
    variable: "OPENBLAS_CORETYPE",
    value: highest(
      [
        ["SapphireRapids", ...SAPPHIRE_RAPIDS],
        ["SkylakeX", ...AVX512, "AVX512_VNNI"],
        ["Haswell", "AVX2", "FMA"],
        ["Sandybridge", "AVX"],
        ["Nehalem", "SSE4_2", "SSE4_1"],
        ["Core2", "SSSE3"],
      ],
      "Prescott",
    ),
    reference:
      "https://github.com/OpenMathLib/OpenBLAS#setting-the-target-at-runtime-using-environment-variables",
  },
  {
    dispatcher: "Intel MKL",
    variable: "MKL_ENABLE_INSTRUCTIONS",
    value: highest(
      [
        ["AVX512_E4", ...SAPPHIRE_RAPIDS, ...ICE_LAKE],
        ["AVX512", ...AVX512],
        ["AVX2", "AVX2", "FMA"],
        ["AVX", "AVX"],
      ],
      "SSE4_2",
    ),
    but: "heeded on Intel's CPUs alone",
    reference:
      "https://www.intel.com/content/www/us/en/docs/onemkl/developer-guide-linux/2025-0/instruction-set-specific-dispatch-on-intel-archs.html",
  },
  {
    dispatcher: "NumPy",
    variable: "NPY_DISABLE_CPU_FEATURES",
    value: listed(
      {
        ...Object.fromEntries(SAPPHIRE_RAPIDS.map((name) => [name, "AVX512_SPR"])),
        ...Object.fromEntries(
          [...ICE_LAKE, "VAES", "VPCLMULQDQ", "GFNI"].map((name) => [
            name,
            "AVX512_ICL,AVX512_SPR",
          ]),
        ),
        AVX512_IFMA: "AVX512_CNL,AVX512_ICL,AVX512_SPR",
        AVX512_VBMI: "AVX512_CNL,AVX512_ICL,AVX512_SPR",
        AVX512_VNNI: "AVX512_CLX,AVX512_ICL,AVX512_SPR",
        ...Object.fromEntries(
          AVX512.map((name) => [
            name,
            "AVX512F,AVX512CD,AVX512_SKX,AVX512_CLX,AVX512_CNL,AVX512_ICL,AVX512_SPR,X86_V4",
          ]),
        ),
        AVX2: "AVX2,X86_V3",
        FMA: "FMA3,X86_V3",
        F16C: "F16C,X86_V3",
        AVX: "AVX,X86_V3",
      },
      (words) => [...new Set(words.flatMap((word) => word.split(",")))].join(","),
    ),
    reference: "https://numpy.org/doc/stable/reference/simd/build-options.html#runtime-dispatch",
  },
  {
    dispatcher: "Apache Arrow",
    variable: "ARROW_USER_SIMD_LEVEL",
    value: highest(
      [
        ["AVX512", ...ABOVE_AVX2],
        ["AVX2", "AVX2", "BMI2"],
        ["AVX", "AVX"],
        ["SSE4_2", "SSE4_2"],
      ],
      "NONE",
    ),
    reference: "https://arrow.apache.org/docs/cpp/env_vars.html#envvar-ARROW_USER_SIMD_LEVEL",
  },
  {
    dispatcher: "Go",
    variable: "GODEBUG",
    value: listed(
      {
        ADX: "adx",
        AESNI: "aes",
        AVX: "avx",
        AVX2: "avx2",
        AVX512F: "avx512f",
        AVX512BW: "avx512bw",
        AVX512VL: "avx512vl",
        BMI1: "bmi1",
        BMI2: "bmi2",
        ERMS: "erms",
        FSRM: "fsrm",
        FMA: "fma",
        PCLMULQDQ: "pclmulqdq",
        POPCNT: "popcnt",
        RDTSCP: "rdtscp",
        SHA: "sha",
        SSE4_1: "sse41",
        SSE4_2: "sse42",
        SSSE3: "ssse3",
        VPCLMULQDQ: "vpclmulqdq",
      },
      (names) => names.map((name) => `cpu.${name}=off`).join(","),
    ),
    but: "narrows the standard library, not golang.org/x/sys/cpu",
    reference: "https://pkg.go.dev/internal/cpu#Initialize",
  },
  {
    dispatcher: "HotSpot",
    variable: "JAVA_TOOL_OPTIONS",
    value: hotspot,
    reference: "https://docs.oracle.com/en/java/javase/21/docs/specs/man/java.html",
  },
  {
    dispatcher: "oneDNN",
    variable: "ONEDNN_MAX_CPU_ISA",
    value: highest(
      [
        ["AVX512_CORE_AMX", ...SAPPHIRE_RAPIDS],
        ["AVX512_CORE_VNNI", "AVX512_VNNI"],
        ["AVX512_CORE", ...AVX512],
        ["AVX2", "AVX2", "FMA"],
        ["AVX", "AVX"],
      ],
      "SSE41",
    ),
    reference: "https://uxlfoundation.github.io/oneDNN/dev_guide_cpu_dispatcher_control.html",
  },
  {
    dispatcher: "simdutf",
    variable: "SIMDUTF_FORCE_IMPLEMENTATION",
    value: highest(
      [
        ["icelake", ...AVX512, ...ICE_LAKE],
        ["haswell", "AVX2", "BMI1", "BMI2", "LZCNT"],
        ["westmere", "SSE4_2", "PCLMULQDQ"],
      ],
      "fallback",
    ),
    reference: "https://github.com/simdutf/simdutf#implementation-selection",
  },
  {
    dispatcher: "simdjson",
    variable: "SIMDJSON_FORCE_IMPLEMENTATION",
    value: highest(
      [
        ["icelake", ...AVX512, ...ICE_LAKE],
        ["haswell", "AVX2", "BMI1", "BMI2", "LZCNT"],
        ["westmere", "SSE4_2", "PCLMULQDQ"],
      ],
      "fallback",
    ),
    reference: "https://github.com/simdjson/simdjson/blob/master/doc/implementation-selection.md",
  },
  {
    dispatcher: ".NET",
    variable: "DOTNET_EnableAVX",
    value: (hidden) => (hidden.has("AVX") ? "0" : undefined),
    reference: "https://github.com/dotnet/runtime/blob/main/src/coreclr/inc/clrconfigvalues.h",
  },
  {
    dispatcher: ".NET",
    variable: "DOTNET_EnableAVX2",
    value: (hidden) =>
      ["AVX", "AVX2", "BMI1", "BMI2", "FMA", "LZCNT", "MOVBE"].some((f) => hidden.has(f))
        ? "0"
        : undefined,
    reference: "https://github.com/dotnet/runtime/blob/main/src/coreclr/inc/clrconfigvalues.h",
  },
  {
    dispatcher: ".NET",
    variable: "DOTNET_EnableAVX512",
    value: (hidden) => (ABOVE_AVX2.some((feature) => hidden.has(feature)) ? "0" : undefined),
    but: "before .NET 10: DOTNET_EnableAVX512F",
    reference: "https://github.com/dotnet/runtime/blob/main/src/coreclr/inc/clrconfigvalues.h",
  },
];

/** Runtimes that are narrowed by flags alone: no variable of the environment reaches them. */
export const FLAGS: readonly Omit<Switch, "variable">[] = [
  {
    dispatcher: "V8",
    value: listed(
      {
        SSE4_1: "--no-enable-sse4-1",
        SSE4_2: "--no-enable-sse4-2",
        SSSE3: "--no-enable-ssse3",
        AVX: "--no-enable-avx",
        AVX2: "--no-enable-avx2",
        FMA: "--no-enable-fma3",
        BMI1: "--no-enable-bmi1",
        BMI2: "--no-enable-bmi2",
        LZCNT: "--no-enable-lzcnt",
        POPCNT: "--no-enable-popcnt",
      },
      (flags) => flags.join(" "),
    ),
    but: "NODE_OPTIONS does not take them: give them to node itself",
    reference: "https://nodejs.org/api/cli.html#--v8-options",
  },
];
