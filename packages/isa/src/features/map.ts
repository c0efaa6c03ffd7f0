/**
 * Which CPUID bits announce what iced calls a feature. Every member of iced's `CpuidFeature` is
 * here: it has rows of `@evenkeel/core`'s tables, or the reason why it has none.
 * Source: iced-x86 1.21 (https://github.com/icedland/iced), Intel SDM volume 2, AMD APM volume 3.
 */
import type { CpuidFeature } from "iced-x86";

export type IcedFeature = keyof typeof CpuidFeature;

type Mapping =
  /** All of these rows are needed. */
  | { readonly kind: "all"; readonly rows: readonly string[] }
  /** One of these rows suffices. */
  | { readonly kind: "any"; readonly rows: readonly string[] }
  /** No CPUID bit announces it, or nobody who runs microVMs can meet it. */
  | { readonly kind: "none"; readonly reason: string };

const all = (...rows: readonly string[]): Mapping => ({ kind: "all", rows });
const any = (...rows: readonly string[]): Mapping => ({ kind: "any", rows });
const none = (reason: string): Mapping => ({ kind: "none", reason });

const BASELINE = none("every x86-64 CPU has it");
const LEGACY = none("not an instruction in 64-bit mode");
const VIA = none("VIA and Zhaoxin only (CPUID.C0000001H), which run no Firecracker");
const CYRIX = none("Cyrix and Geode only, 32-bit CPUs");
const PHI = none("Xeon Phi coprocessors (Knights Corner) only");
const ALWAYS_ON = none("no CPUID bit: where it is missing it is a no-op");

export const ICED_FEATURES: Readonly<Record<IcedFeature, Mapping>> = {
  // What every x86-64 CPU has. Bits that say so are still rows, and can still be masked.
  INTEL8086: BASELINE,
  INTEL186: BASELINE,
  INTEL286: BASELINE,
  INTEL386: BASELINE,
  INTEL486: BASELINE,
  X64: BASELINE,
  CPUID: BASELINE,
  MULTIBYTENOP: BASELINE,
  FPU: all("FPU"),
  FPU287: all("FPU"),
  FPU387: all("FPU"),
  CMOV: all("CMOV"),
  CX8: all("CMPXCHG8B"),
  CLFSH: all("CLFLUSH"),
  FXSR: all("FXSR"),
  MMX: all("MMX"),
  SSE: all("SSE"),
  SSE2: all("SSE2"),
  TSC: all("TSC"),
  MSR: all("MSR"),
  SYSCALL: all("SYSCALL"),
  SEP: all("SEP"),
  PAUSE: ALWAYS_ON,
  RDPMC: none("no CPUID bit: whether programs may use it is the kernel's choice (CR4.PCE)"),

  SSE3: all("SSE3"),
  SSSE3: all("SSSE3"),
  SSE4_1: all("SSE4_1"),
  SSE4_2: all("SSE4_2"),
  SSE4A: all("SSE4A"),
  CMPXCHG16B: all("CMPXCHG16B"),
  POPCNT: all("POPCNT"),
  MOVBE: all("MOVBE"),
  LZCNT: all("LZCNT"),
  BMI1: all("BMI1"),
  BMI2: all("BMI2"),
  ADX: all("ADX"),
  TBM: all("TBM"),
  D3NOW: all("3DNOW"),
  D3NOWEXT: all("3DNOWEXT"),

  AVX: all("AVX"),
  AVX2: all("AVX2"),
  FMA: all("FMA"),
  FMA4: all("FMA4"),
  F16C: all("F16C"),
  XOP: all("XOP"),
  AVX_VNNI: all("AVX_VNNI"),
  AVX_VNNI_INT8: all("AVX_VNNI_INT8"),
  AVX_VNNI_INT16: all("AVX_VNNI_INT16"),
  AVX_IFMA: all("AVX_IFMA"),
  AVX_NE_CONVERT: all("AVX_NE_CONVERT"),

  // CPUs with AVX10 show these bits too; instructions of AVX10.2 are newer than iced 1.21.
  // 128- and 256-bit forms carry AVX512VL beside the feature itself. iced leaves the foundation
  // out where another feature implies it; the rows' own requirements bring it back.
  AVX512F: all("AVX512F"),
  AVX512VL: all("AVX512VL"),
  AVX512BW: all("AVX512BW"),
  AVX512CD: all("AVX512CD"),
  AVX512DQ: all("AVX512DQ"),
  AVX512ER: all("AVX512ER"),
  AVX512PF: all("AVX512PF"),
  AVX512_4FMAPS: all("AVX512_4FMAPS"),
  AVX512_4VNNIW: all("AVX512_4VNNIW"),
  AVX512_BF16: all("AVX512_BF16"),
  AVX512_BITALG: all("AVX512_BITALG"),
  AVX512_FP16: all("AVX512_FP16"),
  AVX512_IFMA: all("AVX512_IFMA"),
  AVX512_VBMI: all("AVX512_VBMI"),
  AVX512_VBMI2: all("AVX512_VBMI2"),
  AVX512_VNNI: all("AVX512_VNNI"),
  AVX512_VP2INTERSECT: all("AVX512_VP2INTERSECT"),
  AVX512_VPOPCNTDQ: all("AVX512_VPOPCNTDQ"),

  AMX_TILE: all("AMX_TILE"),
  AMX_INT8: all("AMX_INT8"),
  AMX_BF16: all("AMX_BF16"),
  AMX_FP16: all("AMX_FP16"),
  AMX_COMPLEX: all("AMX_COMPLEX"),

  AES: all("AESNI"),
  PCLMULQDQ: all("PCLMULQDQ"),
  VAES: all("VAES"),
  VPCLMULQDQ: all("VPCLMULQDQ"),
  GFNI: all("GFNI"),
  SHA: all("SHA"),
  SHA512: all("SHA512"),
  SM3: all("SM3"),
  SM4: all("SM4"),
  RDRAND: all("RDRAND"),
  RDSEED: all("RDSEED"),
  KL: all("KEYLOCKER"),
  AESKLE: all("AESKLE"),
  WIDE_KL: all("WIDE_KL"),

  XSAVE: all("XSAVE"),
  XSAVEC: all("XSAVEC"),
  XSAVEOPT: all("XSAVEOPT"),
  XSAVES: all("XSAVES"),

  CLDEMOTE: all("CLDEMOTE"),
  CLFLUSHOPT: all("CLFLUSHOPT"),
  CLWB: all("CLWB"),
  CLZERO: all("CLZERO"),
  ENQCMD: all("ENQCMD"),
  MCOMMIT: all("MCOMMIT"),
  MOVDIR64B: all("MOVDIR64B"),
  MOVDIRI: all("MOVDIRI"),
  PREFETCHW: any("PREFETCHW", "3DNOW"),
  PREFETCHWT1: all("PREFETCHWT1"),
  PREFETCHITI: any("PREFETCHI", "AMD_PREFETCHI"),
  WBNOINVD: all("WBNOINVD"),

  CET_IBT: all("CET_IBT"),
  CET_SS: all("CET_SS"),
  CMPCCXADD: all("CMPCCXADD"),
  FSGSBASE: all("FSGSBASE"),
  HLE: all("HLE"),
  HLE_or_RTM: any("RTM", "HLE"),
  HRESET: all("HRESET"),
  LWP: all("LWP"),
  MONITOR: all("MONITOR"),
  MONITORX: all("MWAITX"),
  MPX: all("MPX"),
  PKU: all("PKU"),
  PTWRITE: all("PTWRITE"),
  RAO_INT: all("RAO_INT"),
  RDPID: all("RDPID"),
  RDPRU: all("RDPRU"),
  RDTSCP: all("RDTSCP"),
  RTM: all("RTM"),
  SERIALIZE: all("SERIALIZE"),
  TSXLDTRK: all("TSXLDTRK"),
  UINTR: all("UINTR"),
  WAITPKG: all("WAITPKG"),

  // For kernels and hypervisors.
  FRED: all("FRED"),
  INVEPT: all("VMX"),
  INVLPGB: all("INVLPGB"),
  INVPCID: all("INVPCID"),
  INVVPID: all("VMX"),
  LKGS: all("LKGS"),
  MSRLIST: all("MSRLIST"),
  OSS: all("ENCLV"),
  PCONFIG: all("PCONFIG"),
  RMPQUERY: all("RMPQUERY"),
  SEV_ES: all("SEV_ES"),
  SEV_SNP: all("SEV_SNP"),
  SGX1: all("SGX1"),
  SKINIT: all("SKINIT"),
  SKINIT_or_SVM: any("SVM", "SKINIT"),
  SMAP: all("SMAP"),
  SMM: none("no CPUID bit: RSM exists in system management mode, which no program enters"),
  SMX: all("SMX"),
  SVM: all("SVM"),
  TDX: none("no CPUID bit in a guest's hands: Intel TDX's own calls"),
  TSE: all("PBNDKB"),
  UDBG: none("undocumented debugging instructions, locked on CPUs that are sold"),
  VMX: all("VMX"),
  WRMSRNS: all("WRMSRNS"),

  PCOMMIT: none("withdrawn by Intel before any CPU had it"),
  KNC: PHI,
  PADLOCK_ACE: VIA,
  PADLOCK_GMI: VIA,
  PADLOCK_PHE: VIA,
  PADLOCK_PMM: VIA,
  PADLOCK_RNG: VIA,
  PADLOCK_UNDOC: VIA,
  CENTAUR_AIS: none("VIA C3's alternate instruction set, 32-bit CPUs"),
  CYRIX_D3NOW: CYRIX,
  CYRIX_DDI: CYRIX,
  CYRIX_DMI: CYRIX,
  CYRIX_EMMI: CYRIX,
  CYRIX_FPU: CYRIX,
  CYRIX_SHR: CYRIX,
  CYRIX_SMINT: CYRIX,
  CYRIX_SMINT_0F7E: CYRIX,
  CYRIX_SMM: CYRIX,
  CL1INVMB: none("Intel's SCC research chip only"),
  FPU287XL_ONLY: LEGACY,
  FPU387SL_ONLY: LEGACY,
  IA64: LEGACY,
  INTEL286_ONLY: LEGACY,
  INTEL386_A0_ONLY: LEGACY,
  INTEL386_ONLY: LEGACY,
  INTEL486_A_ONLY: LEGACY,
  INTEL8086_ONLY: LEGACY,
  MOV_TR: LEGACY,
  UMOV: LEGACY,
};
