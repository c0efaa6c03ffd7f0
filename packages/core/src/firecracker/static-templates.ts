/**
 * Firecracker's built-in CPU templates as rows of names: what each hides, what it sets, and on
 * which models it may be used. Deprecated since Firecracker 1.5, to be removed in 2.0.
 *
 * Source: src/vmm/src/cpu_config/x86_64/static_cpu_templates and the model lists in
 * docs/cpu_templates/cpu-templates.md, v1.5.0 to v1.16.0.
 */
import type { Vendor } from "../tables/field.ts";
import { does } from "../tables/releases.ts";
import type { Behaviour } from "../tables/release-rows.ts";
import { formatFms, type FamilyModelStepping } from "../tables/models.ts";
import type { Register } from "../cpuid.ts";
import { words } from "../tables/words.ts";

/** Bits without a row that a template clears. */
type ReservedBits = readonly [leaf: number, register: Register, ...bits: number[]];

export interface StaticMsr {
  readonly by?: Behaviour;
  readonly sets: readonly string[];
  /** Names of the bits that are left as they are; all others become 0. */
  readonly keeps: readonly string[];
}

export interface StaticTemplate {
  readonly name: string;
  readonly vendor: Vendor;
  /** Models it is accepted on by releases that check them; others check the vendor only. */
  readonly models: readonly FamilyModelStepping[];
  readonly identity: FamilyModelStepping;
  readonly hides: readonly string[];
  /** Fields that become 1, whether the CPU has them or not. */
  readonly sets: readonly string[];
  readonly reserved: readonly ReservedBits[];
  /** IA32_ARCH_CAPABILITIES: the last row that holds for a release. */
  readonly archCapabilities: readonly StaticMsr[];
}

const SKYLAKE = { family: 6, model: 0x55, stepping: 4 };
const CASCADE_LAKE = { family: 6, model: 0x55, stepping: 7 };
const ICE_LAKE = { family: 6, model: 0x6a, stepping: 6 };
const MILAN = { family: 0x19, model: 0x01, stepping: 1 };
const HASWELL_EP = { family: 6, model: 0x3f, stepping: 2 };
const IVY_BRIDGE_EP = { family: 6, model: 0x3e, stepping: 4 };

const COMMON = `
  DTES64 MONITOR DS_CPL VMX TM2 CNXT_ID SDBG XTPR PDCM PSN DS ACPI SELF_SNOOP TM PBE
  SGX HLE RTM RDT_M MPX RDT_A RDSEED ADX CLFLUSHOPT CLWB INTEL_PT
  AVX512F AVX512DQ AVX512_IFMA AVX512PF AVX512ER AVX512CD SHA AVX512BW AVX512VL
  AVX512_VBMI UMIP PKU OSPKE AVX512_VNNI AVX512_VPOPCNTDQ LA57 RDPID SGX_LC
  AVX512_4VNNIW AVX512_4FMAPS XSAVEC XGETBV1 XSAVES PREFETCHW PDPE1GB
  XCR0_BNDREGS XCR0_BNDCSR XCR0_OPMASK XCR0_ZMM_HI256 XCR0_HI16_ZMM XCR0_PKRU`;

const T2_FAMILY = `${COMMON} SMX EIST DCA
  AVX512_VBMI2 GFNI VAES VPCLMULQDQ AVX512_BITALG FSRM AVX512_VP2INTERSECT WBNOINVD`;

const IA64: ReservedBits = [0x1, "edx", 30];
const PCOMMIT: ReservedBits = [0x7, "ebx", 22];

const T2_BASE = {
  vendor: "intel",
  identity: HASWELL_EP,
  hides: words(`${T2_FAMILY} MWAITX`),
  sets: words("MCE MTRR ERMS"),
  reserved: [IA64, PCOMMIT],
  archCapabilities: [],
} as const satisfies Partial<StaticTemplate>;

const T2S_SETS = `RSBA SKIP_L1DFL_VMENTRY IF_PSCHANGE_MC_NO MISC_PACKAGE_CTLS ENERGY_FILTERING_CTL
  RRSBA GDS_NO`;
const T2CL_KEEPS = `RDCL_NO IBRS_ALL RSBA SKIP_L1DFL_VMENTRY SSB_NO MDS_NO IF_PSCHANGE_MC_NO
  TSX_CTRL TAA_NO SBDR_SSDP_NO FBSDP_NO PSDP_NO FB_CLEAR RRSBA PBRSB_NO GDS_NO`;

/** In order of preference where two cost the same. */
export const STATIC_TEMPLATES: readonly StaticTemplate[] = [
  {
    ...T2_BASE,
    name: "T2CL",
    models: [CASCADE_LAKE, ICE_LAKE],
    hides: [
      ...T2_BASE.hides,
      ...words("SSE4A MISALIGNSSE MMXEXT EXTENDED_MMX EXTENDED_FXSR FFXSR"),
    ],
    archCapabilities: [
      { sets: [], keeps: words(T2CL_KEEPS) },
      { by: "templates-know-rfds", sets: [], keeps: words(`${T2CL_KEEPS} RFDS_NO RFDS_CLEAR`) },
    ],
  },
  {
    ...T2_BASE,
    name: "T2S",
    models: [SKYLAKE, CASCADE_LAKE],
    archCapabilities: [
      { sets: words(T2S_SETS), keeps: [] },
      { by: "templates-know-rfds", sets: words(`${T2S_SETS} RFDS_NO`), keeps: [] },
    ],
  },
  { ...T2_BASE, name: "T2", models: [SKYLAKE, CASCADE_LAKE, ICE_LAKE] },
  {
    name: "C3",
    vendor: "intel",
    models: [SKYLAKE, CASCADE_LAKE, ICE_LAKE],
    identity: IVY_BRIDGE_EP,
    hides: words(`${COMMON} FMA MOVBE BMI1 AVX2 BMI2 INVPCID LZCNT`),
    sets: words("MCE MTRR"),
    reserved: [],
    archCapabilities: [],
  },
  {
    ...T2_BASE,
    name: "T2A",
    vendor: "amd",
    models: [MILAN],
    hides: [...T2_BASE.hides, ...words("SVM SSE4A MISALIGNSSE MMXEXT FFXSR CLZERO")],
    sets: [...T2_BASE.sets, ...words("XSAVEERPTR IBRS_PREFERRED IBRS_SAME_MODE NO_LMSL")],
  },
];

export function staticTemplateRow(name: string): StaticTemplate | undefined {
  return STATIC_TEMPLATES.find((template) => template.name === name);
}

export function isAcceptedOn(template: StaticTemplate, signature: FamilyModelStepping): boolean {
  return template.models.some((model) => formatFms(model) === formatFms(signature));
}

export function isRefusedOn(
  template: StaticTemplate,
  signature: FamilyModelStepping,
  line: string,
): boolean {
  return does(line, "checks-models") && !isAcceptedOn(template, signature);
}
