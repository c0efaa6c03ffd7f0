/**
 * Intel server CPUs by the names of their features, from public documents. Where `fittedTo` names a
 * published guest fingerprint, bits that the documents leave open were placed by what it shows: no
 * comparison with that fingerprint measures anything.
 *
 * Sources: Intel SDM and the Intel Architecture Instruction Set Extensions Programming Reference
 * (features by generation), Intel ARK (launch), Linux arch/x86/kvm/cpuid.c (what KVM passes on),
 * `kvm_get_arch_capabilities` and Intel's table of affected processors (IA32_ARCH_CAPABILITIES),
 * Firecracker docs/cpu_templates/cpuid-normalization.md.
 */
import { words } from "../words.ts";
import { AVX512_STATE, COMMON, family, guest, PARAVIRTUAL, without, type Model } from "./model.ts";

const SKYLAKE_SP = [
  ...COMMON,
  ...PARAVIRTUAL,
  ...AVX512_STATE,
  ...words(`PCID INVPCID SELF_SNOOP ERMS FDP_EXCPTN_ONLY ZERO_FCS_FDS
    AVX512F AVX512DQ AVX512CD AVX512BW AVX512VL
    PKU XCR0_PKRU MD_CLEAR FLUSH_L1D ARCH_CAPABILITIES
    SKIP_L1DFL_VMENTRY IF_PSCHANGE_MC_NO GDS_NO RFDS_NO`),
];

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

const CET = words("CET_SS CET_IBT XSS_CET_U XSS_CET_S");

const SAPPHIRE_RAPIDS = [
  ...ICE_LAKE,
  ...CET,
  ...words(`BUS_LOCK_DETECT CLDEMOTE MOVDIRI MOVDIR64B SERIALIZE TSXLDTRK AMX_BF16 AVX512_FP16
    AMX_TILE AMX_INT8 XCR0_XTILECFG XCR0_XTILEDATA XFD AVX_VNNI AVX512_BF16
    FZRM FSRS FSRC
    IPRED_CTRL RRSBA_CTRL BHI_CTRL FBSDP_NO RRSBA ITS_NO`),
];

const GRANITE_RAPIDS = [
  ...SAPPHIRE_RAPIDS,
  ...words(`AMX_FP16 PREFETCHI AVX10 AVX10_128 AVX10_256 AVX10_512
    DDPD_U MCDT_NO PBRSB_NO IBPB_RET`),
];

/**
 * The E-core line: no AVX-512, AMX or TSX. Whether guest PEBS (DS) reaches a guest is not known
 * from documents, so it is left out; RRSBA is a weakness, so it is left in.
 */
const SIERRA_FOREST = [
  ...without(
    GRANITE_RAPIDS.filter((name) => !/^(AVX512|AVX10|AMX_)/.test(name)),
    `DS DTES64 XCR0_OPMASK XCR0_ZMM_HI256 XCR0_HI16_ZMM XCR0_XTILECFG XCR0_XTILEDATA XFD
     TSXLDTRK TSX_CTRL FZRM FSRC PREFETCHI`,
  ),
  ...words("CMPCCXADD AVX_IFMA AVX_VNNI_INT8 AVX_NE_CONVERT WRMSRNS"),
];

const CLEARWATER_FOREST = [
  ...SIERRA_FOREST,
  ...words("SHA512 SM3 SM4 AVX_VNNI_INT16 PREFETCHI FZRM FSRC"),
];

const common = {
  maxExtendedLeaf: 0x8000_0008,
  physicalBits: 46,
  /** Source: Intel SDM vol. 1, 13.5. */
  stateOffsets: { XCR0_OPMASK: 1088, XCR0_ZMM_HI256: 1152, XCR0_HI16_ZMM: 1664, XCR0_PKRU: 2688 },
} as const;
const sizes = {
  avx512: { ...common, maxBasicLeaf: 0x16, maxLeaf7Subleaf: 0, linearBits: 48 },
  la57: { ...common, maxBasicLeaf: 0x1b, maxLeaf7Subleaf: 2, linearBits: 57 },
  amx: { ...common, maxBasicLeaf: 0x20, maxLeaf7Subleaf: 2, linearBits: 57 },
  avx10: { ...common, maxBasicLeaf: 0x24, maxLeaf7Subleaf: 2, physicalBits: 52, linearBits: 57 },
  forest: { ...common, maxBasicLeaf: 0x23, maxLeaf7Subleaf: 2, physicalBits: 52, linearBits: 57 },
} as const;

const intel = family("intel", 6);
const MMIO = { bugs: ["MMIO_STALE_DATA"] } as const;
const MMIO_AND_RETBLEED = { bugs: ["MMIO_STALE_DATA", "RETBLEED"] } as const;

export const INTEL_MODELS: readonly Model[] = [
  intel(0x1a, "Nehalem", 2008.75),
  intel(0x2c, "Westmere", 2010),
  intel(0x2a, "Sandy Bridge", 2011),
  intel(0x3a, "Ivy Bridge", 2012.25),
  intel(0x3e, "Ivy Bridge-EP", 2013.5),
  intel(0x2d, "Sandy Bridge-EP", 2012),
  intel(0x3f, "Haswell-EP", 2014.5, MMIO),
  intel(0x3c, "Haswell", 2013.25),
  intel(0x3d, "Broadwell", 2014.75),
  intel(0x4f, "Broadwell-EP", 2016, MMIO),
  intel(0x56, "Broadwell-DE", 2015, MMIO),
  intel(0x5e, "Skylake", 2015.5, MMIO_AND_RETBLEED),
  intel(0x55, "Skylake-SP", 2017.5, {
    ...MMIO_AND_RETBLEED,
    steppings: [0, 4],
    // Linux lists only steppings from 6 on as affected by ITS.
    catalogue: guest(4, [...SKYLAKE_SP, ...MPX, "RSBA", "HLE", "RTM", "ITS_NO"], sizes.avx512),
  }),
  intel(0x55, "Cascade Lake", 2019.25, {
    ...MMIO_AND_RETBLEED,
    steppings: [5, 7],
    catalogue: guest(7, [...CASCADE_LAKE, ...MPX, "FB_CLEAR", "RRSBA"], {
      ...sizes.avx512,
      fittedTo: "Firecracker's fingerprint of Cascade Lake, host kernel 6.1",
    }),
  }),
  intel(0x55, "Cooper Lake", 2020.25, {
    ...MMIO_AND_RETBLEED,
    steppings: [8, 11],
    catalogue: guest(11, [...CASCADE_LAKE, ...MPX, "AVX512_BF16", "FB_CLEAR", "RRSBA"], {
      ...sizes.avx512,
      maxLeaf7Subleaf: 1,
    }),
  }),
  intel(0x6a, "Ice Lake-SP", 2021.25, {
    ...MMIO,
    catalogue: guest(6, [...ICE_LAKE, "FB_CLEAR"], {
      ...sizes.la57,
      fittedTo: "Firecracker's fingerprint of Ice Lake, host kernel 6.1",
    }),
  }),
  intel(0x6c, "Ice Lake-D", 2022, MMIO),
  intel(0x8f, "Sapphire Rapids", 2023, {
    catalogue: guest(8, SAPPHIRE_RAPIDS, {
      ...sizes.amx,
      fittedTo: "Firecracker's fingerprint of Sapphire Rapids, host kernel 6.1",
    }),
  }),
  intel(0xcf, "Emerald Rapids", 2023.75, { catalogue: guest(2, SAPPHIRE_RAPIDS, sizes.amx) }),
  intel(0xad, "Granite Rapids", 2024.5, { catalogue: guest(1, GRANITE_RAPIDS, sizes.avx10) }),
  intel(0xaf, "Sierra Forest", 2024.25, { catalogue: guest(3, SIERRA_FOREST, sizes.forest) }),
  intel(0xae, "Granite Rapids-D", 2025),
  intel(0xdd, "Clearwater Forest", 2026, { catalogue: guest(1, CLEARWATER_FOREST, sizes.forest) }),
];
