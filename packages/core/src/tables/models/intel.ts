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
import { PARAVIRTUAL } from "./model.ts";
import { AVX512_STATE, COMMON, without } from "./model.ts";
import type { Model } from "./model.ts";

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
} as const;

const intel = { vendor: "intel", family: 6 } as const;

export const INTEL_MODELS: readonly Model[] = [
  { ...intel, model: 0x1a, name: "Nehalem", launched: 2008.75, bugs: [] },
  { ...intel, model: 0x2c, name: "Westmere", launched: 2010, bugs: [] },
  { ...intel, model: 0x2a, name: "Sandy Bridge", launched: 2011, bugs: [] },
  { ...intel, model: 0x3a, name: "Ivy Bridge", launched: 2012.25, bugs: [] },
  { ...intel, model: 0x3e, name: "Ivy Bridge-EP", launched: 2013.5, bugs: [] },
  { ...intel, model: 0x2d, name: "Sandy Bridge-EP", launched: 2012, bugs: [] },
  { ...intel, model: 0x3f, name: "Haswell-EP", launched: 2014.5, bugs: ["MMIO_STALE_DATA"] },
  { ...intel, model: 0x3c, name: "Haswell", launched: 2013.25, bugs: [] },
  { ...intel, model: 0x3d, name: "Broadwell", launched: 2014.75, bugs: [] },
  { ...intel, model: 0x4f, name: "Broadwell-EP", launched: 2016, bugs: ["MMIO_STALE_DATA"] },
  { ...intel, model: 0x56, name: "Broadwell-DE", launched: 2015, bugs: ["MMIO_STALE_DATA"] },
  {
    ...intel,
    model: 0x5e,
    name: "Skylake",
    launched: 2015.5,
    bugs: ["MMIO_STALE_DATA", "RETBLEED"],
  },
  {
    ...intel,
    model: 0x55,
    steppings: [0, 4],
    name: "Skylake-SP",
    launched: 2017.5,
    bugs: ["MMIO_STALE_DATA", "RETBLEED"],
    catalogue: {
      stepping: 4,
      // Linux lists only steppings from 6 on as affected by ITS.
      features: [...SKYLAKE_SP, ...MPX, "RSBA", "HLE", "RTM", "ITS_NO"],
      ...sizes.avx512,
    },
  },
  {
    ...intel,
    model: 0x55,
    steppings: [5, 7],
    name: "Cascade Lake",
    launched: 2019.25,
    bugs: ["MMIO_STALE_DATA", "RETBLEED"],
    catalogue: {
      fittedTo: "Firecracker's fingerprint of Cascade Lake, host kernel 6.1",
      stepping: 7,
      features: [...CASCADE_LAKE, ...MPX, "FB_CLEAR", "RRSBA"],
      ...sizes.avx512,
    },
  },
  {
    ...intel,
    model: 0x55,
    steppings: [8, 11],
    name: "Cooper Lake",
    launched: 2020.25,
    bugs: ["MMIO_STALE_DATA", "RETBLEED"],
    catalogue: {
      stepping: 11,
      features: [...CASCADE_LAKE, ...MPX, "AVX512_BF16", "FB_CLEAR", "RRSBA"],
      ...sizes.avx512,
      maxLeaf7Subleaf: 1,
    },
  },
  {
    ...intel,
    model: 0x6a,
    name: "Ice Lake-SP",
    launched: 2021.25,
    bugs: ["MMIO_STALE_DATA"],
    catalogue: {
      fittedTo: "Firecracker's fingerprint of Ice Lake, host kernel 6.1",
      stepping: 6,
      features: [...ICE_LAKE, "FB_CLEAR"],
      ...sizes.la57,
    },
  },
  { ...intel, model: 0x6c, name: "Ice Lake-D", launched: 2022, bugs: ["MMIO_STALE_DATA"] },
  {
    ...intel,
    model: 0x8f,
    name: "Sapphire Rapids",
    launched: 2023,
    bugs: [],
    catalogue: {
      fittedTo: "Firecracker's fingerprint of Sapphire Rapids, host kernel 6.1",
      stepping: 8,
      features: SAPPHIRE_RAPIDS,
      ...sizes.amx,
    },
  },
  {
    ...intel,
    model: 0xcf,
    name: "Emerald Rapids",
    launched: 2023.75,
    bugs: [],
    catalogue: {
      stepping: 2,
      features: SAPPHIRE_RAPIDS,
      ...sizes.amx,
    },
  },
  {
    ...intel,
    model: 0xad,
    name: "Granite Rapids",
    launched: 2024.5,
    bugs: [],
    catalogue: {
      stepping: 1,
      features: GRANITE_RAPIDS,
      ...sizes.amx,
      maxBasicLeaf: 0x24,
      physicalBits: 52,
    },
  },
  {
    ...intel,
    model: 0xaf,
    name: "Sierra Forest",
    launched: 2024.25,
    bugs: [],
    catalogue: {
      stepping: 3,
      features: SIERRA_FOREST,
      ...sizes.amx,
      maxBasicLeaf: 0x23,
      physicalBits: 52,
    },
  },
  { ...intel, model: 0xae, name: "Granite Rapids-D", launched: 2025, bugs: [] },
  {
    ...intel,
    model: 0xdd,
    name: "Clearwater Forest",
    launched: 2026,
    bugs: [],
    catalogue: {
      stepping: 1,
      features: CLEARWATER_FOREST,
      ...sizes.amx,
      maxBasicLeaf: 0x23,
      physicalBits: 52,
    },
  },
];
