/**
 * Intel server CPUs as a Firecracker guest on a Linux 6.8 host sees them without a template: an
 * estimate from public documents, not a measurement. KVM passes FLUSH_L1D and the fast string
 * features on since Linux 6.4, AMX_FP16 and PREFETCHI since 6.2.
 *
 * Sources: Intel SDM and the Intel Architecture Instruction Set Extensions Programming Reference
 * (features by generation), Intel ARK (caches, clock), Linux arch/x86/kvm/cpuid.c (what KVM
 * passes on), Intel's table of affected processors (IA32_ARCH_CAPABILITIES),
 * Firecracker docs/cpu_templates/cpuid-normalization.md.
 */
import type { OfferedCpu } from "../profile/profile.ts";
import { encodeSignature, type FamilyModelStepping } from "../tables/models.ts";
import { CpuBuilder, words } from "./build.ts";

export interface CatalogueModel {
  readonly id: string;
  readonly name: string;
  readonly signature: FamilyModelStepping;
  readonly features: readonly string[];
  readonly maxBasicLeaf: number;
  readonly maxLeaf7Subleaf: number;
  readonly physicalBits: number;
  readonly linearBits: number;
}

export interface Caches {
  /** Per cache: level, type (1 data, 2 instruction, 3 unified), ways, sets of 64-byte lines. */
  readonly caches: readonly (readonly [level: number, type: number, ways: number, sets: number])[];
  readonly brand: string;
}

const SKYLAKE_SP = words(`
  FPU VME DE PSE TSC MSR PAE MCE CMPXCHG8B APIC SEP MTRR PGE MCA CMOV PAT PSE36 CLFLUSH MMX FXSR
  SSE SSE2 SELF_SNOOP SSE3 PCLMULQDQ SSSE3 FMA CMPXCHG16B PCID SSE4_1 SSE4_2 X2APIC MOVBE POPCNT
  TSC_DEADLINE AESNI XSAVE AVX F16C RDRAND HYPERVISOR ARAT
  FSGSBASE TSC_ADJUST BMI1 AVX2 FDP_EXCPTN_ONLY SMEP BMI2 ERMS INVPCID ZERO_FCS_FDS
  AVX512F AVX512DQ RDSEED ADX SMAP CLFLUSHOPT CLWB AVX512CD AVX512BW AVX512VL
  UMIP PKU MD_CLEAR SPEC_CTRL STIBP FLUSH_L1D ARCH_CAPABILITIES SSBD
  XCR0_X87 XCR0_SSE XCR0_AVX XCR0_OPMASK XCR0_ZMM_HI256 XCR0_HI16_ZMM XCR0_PKRU
  XSAVEOPT XSAVEC XGETBV1 XSAVES
  LAHF_LM LZCNT PREFETCHW SYSCALL NX PDPE1GB RDTSCP LM INVARIANT_TSC
  AMD_IBPB AMD_IBRS AMD_STIBP AMD_SSBD
  KVM_CLOCKSOURCE KVM_NOP_IO_DELAY KVM_CLOCKSOURCE2 KVM_ASYNC_PF KVM_STEAL_TIME KVM_PV_EOI
  KVM_PV_UNHALT KVM_PV_TLB_FLUSH KVM_ASYNC_PF_VMEXIT KVM_PV_SEND_IPI KVM_POLL_CONTROL
  KVM_PV_SCHED_YIELD KVM_ASYNC_PF_INT KVM_CLOCKSOURCE_STABLE CPUID_FAULTING
  SKIP_L1DFL_VMENTRY IF_PSCHANGE_MC_NO GDS_NO RFDS_NO`);

const MPX = words("MPX XCR0_BNDREGS XCR0_BNDCSR");

const CASCADE_LAKE = [
  ...SKYLAKE_SP,
  ...words("AVX512_VNNI RDCL_NO IBRS_ALL MDS_NO TSX_CTRL SBDR_SSDP_NO PSDP_NO"),
];

const ICE_LAKE = [
  ...CASCADE_LAKE,
  ...words(`DS DTES64 AVX512_IFMA SHA AVX512_VBMI AVX512_VBMI2 GFNI VAES VPCLMULQDQ AVX512_BITALG
    AVX512_VPOPCNTDQ LA57 RDPID FSRM WBNOINVD PSFD`),
];

const SAPPHIRE_RAPIDS = [
  ...ICE_LAKE.filter((name) => name !== "DS" && name !== "DTES64"),
  ...words(`BUS_LOCK_DETECT CLDEMOTE MOVDIRI MOVDIR64B SERIALIZE TSXLDTRK AMX_BF16 AVX512_FP16
    AMX_TILE AMX_INT8 XCR0_XTILECFG XCR0_XTILEDATA XFD AVX_VNNI AVX512_BF16
    FZRM FSRS FSRC
    IPRED_CTRL RRSBA_CTRL BHI_CTRL FBSDP_NO RRSBA ITS_NO`),
];

const sizes = {
  avx512: { maxBasicLeaf: 0x16, maxLeaf7Subleaf: 0, physicalBits: 46, linearBits: 48 },
  la57: { maxBasicLeaf: 0x1b, maxLeaf7Subleaf: 2, physicalBits: 46, linearBits: 57 },
  amx: { maxBasicLeaf: 0x1f, maxLeaf7Subleaf: 2, physicalBits: 46, linearBits: 57 },
};

export const INTEL_MODELS = {
  "skylake-sp": {
    id: "skylake-sp",
    name: "Skylake-SP",
    signature: { family: 6, model: 0x55, stepping: 4 },
    features: [...SKYLAKE_SP, ...MPX, "RSBA", "FB_CLEAR"],
    ...sizes.avx512,
  },
  "cascade-lake": {
    id: "cascade-lake",
    name: "Cascade Lake",
    signature: { family: 6, model: 0x55, stepping: 7 },
    features: [...CASCADE_LAKE, ...MPX, "FB_CLEAR", "RRSBA"],
    ...sizes.avx512,
  },
  "ice-lake-sp": {
    id: "ice-lake-sp",
    name: "Ice Lake-SP",
    signature: { family: 6, model: 0x6a, stepping: 6 },
    features: [...ICE_LAKE, "FB_CLEAR"],
    ...sizes.la57,
  },
  "sapphire-rapids": {
    id: "sapphire-rapids",
    name: "Sapphire Rapids",
    signature: { family: 6, model: 0x8f, stepping: 8 },
    features: SAPPHIRE_RAPIDS,
    ...sizes.amx,
  },
  "emerald-rapids": {
    id: "emerald-rapids",
    name: "Emerald Rapids",
    signature: { family: 6, model: 0xcf, stepping: 2 },
    features: SAPPHIRE_RAPIDS,
    ...sizes.amx,
  },
  "granite-rapids": {
    id: "granite-rapids",
    name: "Granite Rapids",
    signature: { family: 6, model: 0xad, stepping: 1 },
    features: [...SAPPHIRE_RAPIDS, ...words("AMX_FP16 PREFETCHI DDPD_U MCDT_NO PBRSB_NO")],
    ...sizes.amx,
    physicalBits: 52,
  },
} as const satisfies Record<string, CatalogueModel>;

export type IntelModelId = keyof typeof INTEL_MODELS;

/** Size, offset and flags by component. Source: Intel SDM vol. 1, 13.4 and 13.5. */
const COMPONENTS: readonly (readonly [
  name: string,
  size: number,
  offset: number,
  flags: number,
])[] = [
  ["XCR0_AVX", 256, 576, 0],
  ["XCR0_BNDREGS", 64, 960, 0],
  ["XCR0_BNDCSR", 64, 1024, 0],
  ["XCR0_OPMASK", 64, 1088, 0],
  ["XCR0_ZMM_HI256", 512, 1152, 0],
  ["XCR0_HI16_ZMM", 1024, 1664, 0],
  ["XCR0_PKRU", 8, 2688, 0],
  ["XCR0_XTILECFG", 64, 2752, 2],
  ["XCR0_XTILEDATA", 8192, 2816, 6],
];

/** MSRs that KVM lists on every Intel host, and those that come with a feature. */
const MSRS = [
  0x11, 0x12, 0x34, 0x3a, 0x3b, 0x48, 0x9e, 0x140, 0x174, 0x175, 0x176, 0x1fc, 0x4b56_4d00,
  0x4b56_4d01, 0x4b56_4d02, 0x4b56_4d03, 0x4b56_4d04, 0x4b56_4d06, 0x4b56_4d07, 0xc000_0081,
  0xc000_0082, 0xc000_0083, 0xc000_0084, 0xc000_0102, 0xc000_0103, 0xc001_0015,
];
const MSRS_OF: Readonly<Record<string, readonly number[]>> = {
  MPX: [0xd90],
  XFD: [0x1c4, 0x1c5],
};

function addXsave(builder: CpuBuilder, features: ReadonlySet<string>): void {
  let end = 576;
  for (const [name, size, offset, flags] of COMPONENTS) {
    if (!features.has(name)) continue;
    builder.set(`${name}_SIZE`, size).set(`${name}_OFFSET`, offset).set(`${name}_FLAGS`, flags);
    end = Math.max(end, offset + size);
  }
  builder.set("XSAVE_SIZE_MAX", end).set("XSAVE_SIZE_NOW", 576).set("XSAVES_SIZE_NOW", 576);
}

function addBrand(builder: CpuBuilder, brand: string): void {
  const word = (at: number) =>
    [0, 1, 2, 3].reduce((w, i) => w | ((brand.charCodeAt(at + i) || 0) << (8 * i)), 0) >>> 0;
  for (const [i, leaf] of [0x8000_0002, 0x8000_0003, 0x8000_0004].entries()) {
    const at = i * 16;
    const registers = { eax: word(at), ebx: word(at + 4), ecx: word(at + 8), edx: word(at + 12) };
    builder.entry(leaf, 0, registers);
  }
}

function addLeaves(builder: CpuBuilder, model: CatalogueModel, { caches, brand }: Caches): void {
  for (let leaf = 0; leaf <= model.maxBasicLeaf; leaf++) builder.entry(leaf);
  for (let i = 0; i <= model.maxLeaf7Subleaf; i++) builder.entry(0x7, i);
  for (let i = 0; i <= 8; i++) builder.entry(0x8000_0000 + i);
  for (const [i, [level, type, ways, sets]] of [...caches, [0, 0, 0, 0] as const].entries()) {
    const eax = type === 0 ? 0 : 0x100 | (level << 5) | type;
    const ebx = type === 0 ? 0 : ((ways - 1) << 22) | 63;
    builder.entry(0x4, i, { eax, ebx: ebx >>> 0, ecx: Math.max(0, sets - 1) });
  }
  builder
    .entry(0x2, 0, { eax: 0x00fe_ff01 })
    .entry(0xb, 0, { ebx: 1, ecx: 0x100 })
    .entry(0xb, 1, { eax: 5, ebx: 1, ecx: 0x201 })
    .entry(0x4000_0000, 0, { eax: 0x4000_0001, ebx: 0x4b4d_564b, ecx: 0x564b_4d56, edx: 0x4d });
  if (model.maxBasicLeaf >= 0x1f) {
    builder
      .entry(0x1d, 0, { eax: 1 })
      .entry(0x1d, 1, { eax: 0x0400_2000, ebx: 0x0008_0040, ecx: 16 })
      .entry(0x1e, 0, { ebx: 0x4010 })
      .entry(0x1f, 0, { ebx: 1, ecx: 0x100 })
      .entry(0x1f, 1, { eax: 5, ebx: 1, ecx: 0x201 });
  }
  addBrand(builder, brand);
}

/** The guest's CPU for a model on one vCPU. */
export function intelGuestCpu(model: CatalogueModel, caches: Caches): OfferedCpu {
  const builder = new CpuBuilder();
  const features = new Set(model.features);
  addLeaves(builder, model, caches);
  builder
    .entry(0x0, 0, { ebx: 0x756e_6547, ecx: 0x6c65_746e, edx: 0x4965_6e69 })
    .entry(0x1, 0, { eax: encodeSignature(model.signature), ebx: 0x0001_0800 })
    .set("MAX_BASIC_LEAF", model.maxBasicLeaf)
    .set("MAX_LEAF7_SUBLEAF", model.maxLeaf7Subleaf)
    .set("MAX_EXTENDED_LEAF", 0x8000_0008)
    .set("MAXPHYADDR", model.physicalBits)
    .set("LINEAR_ADDRESS_BITS", model.linearBits);
  for (const addr of MSRS) builder.msr(addr);
  for (const [feature, addresses] of Object.entries(MSRS_OF)) {
    if (features.has(feature)) for (const addr of addresses) builder.msr(addr);
  }
  builder
    .msr(0x8b, 1n << 32n)
    .msr(0x1a0, 1n)
    .msr(0x277, 0x0007_0406_0007_0406n);
  builder.msr(0x4b56_4d05, 1n).setAll(model.features);
  addXsave(builder, features);
  return { arch: "x86_64", view: "guest", ...builder.build(), registers: [] };
}
