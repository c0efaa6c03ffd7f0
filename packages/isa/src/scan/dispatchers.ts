/**
 * Code that is known to ask the CPU what it has, by the names that it leaves in a file: its
 * symbols, and where a stripped file has none, the environment variables that steer it.
 */

export interface Dispatcher {
  readonly name: string;
  /** Functions or variables, of this file or imported. */
  readonly symbols?: RegExp;
  /** Texts that stripped files still have. */
  readonly texts?: readonly string[];
  /** Whether it writes machine code at run time, which no scan of the file can see. */
  readonly jit?: true;
  /** Whether it belongs to every program of a compiler or C library, which says nothing of its own code. */
  readonly runtime?: true;
  readonly reference: string;
}

export const DISPATCHERS: readonly Dispatcher[] = [
  {
    name: "Linux",
    symbols: /^(?:boot_cpu_data|cpu_has_xfeatures|x86_match_cpu)$/,
    reference: "https://docs.kernel.org/arch/x86/cpuinfo.html",
  },
  {
    name: "glibc",
    runtime: true,
    symbols: /^(?:__x86_get_cpu(?:_features|id_feature_leaf)|_dl_x86_(?:get|init)_cpu_features)$/,
    texts: ["glibc.cpu.hwcaps"],
    reference: "https://sourceware.org/glibc/manual/latest/html_node/X86.html",
  },
  {
    name: "GCC/Clang __builtin_cpu_supports",
    runtime: true,
    symbols: /^(?:__cpu_model|__cpu_features2|__cpu_indicator_init)$/,
    reference: "https://gcc.gnu.org/onlinedocs/gcc/x86-Built-in-Functions.html",
  },
  {
    name: "OpenSSL",
    symbols: /^OPENSSL_(?:ia32cap_P|ia32cap_loc|ia32_cpuid|cpuid_setup)$/,
    texts: ["OPENSSL_ia32cap"],
    reference: "https://docs.openssl.org/master/man3/OPENSSL_ia32cap/",
  },
  {
    name: "V8",
    symbols: /v88internal11CpuFeatures/,
    texts: ["enable use of AVX2 instructions if available"],
    jit: true,
    reference: "https://github.com/v8/v8/blob/main/src/codegen/x64/assembler-x64.cc",
  },
  {
    name: "simdjson",
    symbols: /simdjson.*(?:haswell|icelake|westmere)/,
    texts: ["SIMDJSON_FORCE_IMPLEMENTATION"],
    reference: "https://github.com/simdjson/simdjson/blob/master/doc/implementation-selection.md",
  },
  {
    name: "simdutf",
    symbols: /simdutf.*(?:haswell|icelake|westmere)/,
    texts: ["SIMDUTF_FORCE_IMPLEMENTATION"],
    reference: "https://github.com/simdutf/simdutf",
  },
  {
    name: "OpenBLAS",
    symbols: /^gotoblas_dynamic_init$/,
    texts: ["OPENBLAS_CORETYPE"],
    reference: "https://github.com/OpenMathLib/OpenBLAS/blob/develop/driver/others/dynamic.c",
  },
  {
    name: "Intel MKL",
    symbols: /^mkl_serv_(?:cpu_detect|get_cpu_true)$/,
    texts: ["MKL_ENABLE_INSTRUCTIONS"],
    reference: "https://www.intel.com/content/www/us/en/docs/onemkl/developer-guide-linux/",
  },
  {
    name: "BLIS",
    symbols: /^bli_cpuid_query_id$/,
    texts: ["BLIS_ARCH_TYPE"],
    reference: "https://github.com/flame/blis/blob/master/docs/ConfigurationHowTo.md",
  },
  {
    name: "oneDNN",
    texts: ["ONEDNN_MAX_CPU_ISA"],
    jit: true,
    reference: "https://uxlfoundation.github.io/oneDNN/dev_guide_cpu_dispatcher_control.html",
  },
  {
    name: "NumPy",
    symbols: /^npy_cpu_(?:init|have|features_dict)/,
    texts: ["NPY_DISABLE_CPU_FEATURES"],
    reference: "https://numpy.org/doc/stable/reference/simd/build-options.html",
  },
  {
    name: "Apache Arrow",
    symbols: /^_ZNK?5arrow8internal7CpuInfo/,
    texts: ["ARROW_USER_SIMD_LEVEL"],
    reference: "https://arrow.apache.org/docs/cpp/env_vars.html",
  },
  {
    name: "Go",
    runtime: true,
    symbols: /^internal\/cpu\.(?:Initialize|doinit|cpuid)/,
    texts: ["Go buildinf:"],
    reference: "https://github.com/golang/go/blob/master/src/internal/cpu/cpu_x86.go",
  },
  {
    name: "Rust std_detect",
    runtime: true,
    symbols: /std_detect.*detect/,
    reference: "https://doc.rust-lang.org/std/arch/macro.is_x86_feature_detected.html",
  },
  {
    name: "FFmpeg",
    symbols: /^(?:av_get_cpu_flags|ff_get_cpu_flags_x86)$/,
    reference: "https://ffmpeg.org/doxygen/trunk/cpu_8h.html",
  },
  {
    name: "x264/x265",
    symbols: /^(?:x264_cpu_detect|_ZN.*x265.*cpu_detect)/,
    reference: "https://code.videolan.org/videolan/x264/-/blob/master/common/cpu.c",
  },
  {
    name: "dav1d",
    symbols: /^dav1d_(?:get_cpu_flags_x86|cpu_flags)/,
    reference: "https://code.videolan.org/videolan/dav1d/-/blob/master/src/x86/cpu.c",
  },
  {
    name: "libaom/libvpx",
    symbols: /^x86_simd_caps$/,
    texts: ["AOM_SIMD_CAPS", "VPX_SIMD_CAPS"],
    reference: "https://aomedia.googlesource.com/aom/+/refs/heads/main/aom_ports/x86.h",
  },
  {
    name: "libjpeg-turbo",
    symbols: /^jpeg_simd_cpu_support$/,
    texts: ["JSIMD_FORCEAVX2"],
    reference: "https://github.com/libjpeg-turbo/libjpeg-turbo",
  },
  {
    name: "zlib",
    symbols: /^(?:cpu_check_features|zng_cpu_check_features|x86_cpu_enable_simd)$/,
    reference: "https://github.com/zlib-ng/zlib-ng",
  },
  {
    name: "libgcrypt",
    symbols: /^_gcry_hwf_detect_x86$/,
    reference: "https://github.com/gpg/libgcrypt/blob/master/src/hwf-x86.c",
  },
  {
    name: "GnuTLS",
    symbols: /^_gnutls_x86_cpuid_s$/,
    texts: ["GNUTLS_CPUID_OVERRIDE"],
    reference: "https://www.gnutls.org/manual/html_node/Debugging-and-auditing.html",
  },
  {
    name: "nettle",
    texts: ["NETTLE_FAT_OVERRIDE"],
    reference: "https://www.lysator.liu.se/~nisse/nettle/nettle.html",
  },
  {
    name: "GMP",
    symbols: /^__gmpn_cpuvec(?:_init)?$/,
    reference: "https://gmplib.org/manual/Build-Options",
  },
  {
    name: "libsodium",
    symbols: /^_?sodium_runtime_(?:get_cpu_features|has_avx2)$/,
    reference: "https://github.com/jedisct1/libsodium/blob/master/src/libsodium/sodium/runtime.c",
  },
  {
    name: "Highway",
    symbols: /3hwy.*SupportedTargets/,
    reference: "https://google.github.io/highway/en/master/",
  },
  {
    name: "HotSpot",
    symbols: /VM_Version.*get_processor_features/,
    texts: ["UseAVX"],
    jit: true,
    reference: "https://github.com/openjdk/jdk/blob/master/src/hotspot/cpu/x86/vm_version_x86.cpp",
  },
  {
    name: "JavaScriptCore",
    texts: ["allows the executable pages to be allocated for JIT"],
    jit: true,
    reference:
      "https://github.com/WebKit/WebKit/blob/main/Source/JavaScriptCore/runtime/OptionsList.h",
  },
  {
    name: "SpiderMonkey",
    texts: ["JIT_OPTION_"],
    jit: true,
    reference: "https://searchfox.org/mozilla-central/source/js/src/jit/JitOptions.cpp",
  },
  {
    name: "BEAM",
    symbols: /^beamasm_/,
    texts: ["beamasm"],
    jit: true,
    reference: "https://www.erlang.org/doc/apps/erts/beamasm.html",
  },
  {
    name: "Mono",
    symbols: /^mono_hwcap_/,
    texts: ["MONO_ENV_OPTIONS"],
    jit: true,
    reference: "https://www.mono-project.com/docs/",
  },
  {
    name: "SLEEF",
    symbols: /^Sleef_x86CpuID$/,
    reference: "https://sleef.org/dispatch.xhtml",
  },
  {
    name: "Abseil",
    symbols: /absl.*crc_internal.*GetCpuType/,
    reference: "https://github.com/abseil/abseil-cpp/blob/master/absl/crc/internal/cpu_detect.cc",
  },
  {
    name: ".NET",
    texts: ["EnableHWIntrinsic"],
    jit: true,
    reference: "https://learn.microsoft.com/en-us/dotnet/core/runtime-config/",
  },
  {
    name: "LuaJIT",
    symbols: /^lj_vm_cpuid$/,
    texts: ["LuaJIT 2."],
    jit: true,
    reference: "https://luajit.org",
  },
  {
    name: "sljit (PCRE2)",
    symbols: /^sljit_has_cpu_feature$/,
    texts: ["x86 64bit (little endian"],
    jit: true,
    reference: "https://github.com/zherczeg/sljit",
  },
  {
    name: "LLVM",
    symbols: /llvm3sys.*getHostCPU(?:Name|Features)/,
    texts: ["llvm.x86.avx"],
    jit: true,
    reference: "https://llvm.org/doxygen/Host_8h.html",
  },
];

const SOURCES = DISPATCHERS.flatMap(({ symbols }) =>
  symbols === undefined ? [] : [symbols.source],
);
/** Those that match from a name's start fail at its first letter; the others are few. */
const ANCHORED = new RegExp(SOURCES.filter((source) => source.startsWith("^")).join("|"));
const FLOATING = new RegExp(SOURCES.filter((source) => !source.startsWith("^")).join("|"));

/** The dispatcher that a symbol belongs to. */
export function dispatcherOf(symbol: string): Dispatcher | undefined {
  if (!ANCHORED.test(symbol) && !FLOATING.test(symbol)) return undefined;
  return DISPATCHERS.find(({ symbols }) => symbols?.test(symbol) === true);
}
