/**
 * Firecracker's built-in CPU templates as rows of names: what each hides and on which models it
 * may be used. Deprecated since Firecracker 1.5, to be removed in 2.0.
 *
 * Source: src/vmm/src/cpu_config/x86_64/static_cpu_templates and the model lists in
 * docs/cpu_templates/cpu-templates.md, v1.5.0 to v1.16.0 (CPUID unchanged in between).
 */
import type { Vendor } from "../tables/field.ts";
import type { FamilyModelStepping } from "../tables/models.ts";

export interface StaticTemplate {
  readonly name: string;
  readonly vendor: Vendor;
  /** Models that Firecracker 1.12 and later accept it on. */
  readonly models: readonly FamilyModelStepping[];
  /** Features that guests never see. */
  readonly hides: readonly string[];
}

const SKYLAKE = { family: 6, model: 0x55, stepping: 4 };
const CASCADE_LAKE = { family: 6, model: 0x55, stepping: 7 };
const ICE_LAKE = { family: 6, model: 0x6a, stepping: 6 };
const MILAN = { family: 0x19, model: 0x01, stepping: 1 };

/** Hidden by every one of them. */
const COMMON = `
  MONITOR SELF_SNOOP SGX HLE RTM RDT_M MPX RDT_A RDSEED ADX CLFLUSHOPT CLWB INTEL_PT
  AVX512F AVX512DQ AVX512_IFMA AVX512PF AVX512ER AVX512CD SHA AVX512BW AVX512VL
  AVX512_VBMI UMIP PKU AVX512_VNNI AVX512_VPOPCNTDQ LA57 RDPID SGX_LC AVX512_4VNNIW AVX512_4FMAPS
  XSAVEC XGETBV1 XSAVES PREFETCHW PDPE1GB`;

const T2_FAMILY = `${COMMON}
  AVX512_VBMI2 GFNI VAES VPCLMULQDQ AVX512_BITALG FSRM AVX512_VP2INTERSECT WBNOINVD`;

const INTEL_ONLY = "DTES64 DS_CPL VMX TM2 CNXT_ID SDBG XTPR PDCM PSN DS ACPI TM PBE";

function names(text: string): string[] {
  return text.split(/\s+/).filter((name) => name !== "");
}

const T2 = names(`${T2_FAMILY} ${INTEL_ONLY} SMX EIST DCA`);

/** In order of preference where two cost the same. */
export const STATIC_TEMPLATES: readonly StaticTemplate[] = [
  { name: "T2CL", vendor: "intel", models: [CASCADE_LAKE, ICE_LAKE], hides: T2 },
  { name: "T2S", vendor: "intel", models: [SKYLAKE, CASCADE_LAKE], hides: T2 },
  { name: "T2", vendor: "intel", models: [SKYLAKE, CASCADE_LAKE, ICE_LAKE], hides: T2 },
  {
    name: "C3",
    vendor: "intel",
    models: [SKYLAKE, CASCADE_LAKE, ICE_LAKE],
    hides: names(`${COMMON} ${INTEL_ONLY} FMA MOVBE BMI1 AVX2 BMI2 INVPCID LZCNT`),
  },
  {
    name: "T2A",
    vendor: "amd",
    models: [MILAN],
    hides: names(`${T2_FAMILY} SVM SSE4A MISALIGNSSE MWAITX MMXEXT FFXSR CLZERO`),
  },
];

/** The built-in templates that Firecracker accepts on every one of these models. */
export function applicableStaticTemplates(
  vendor: Vendor,
  signatures: readonly FamilyModelStepping[],
): StaticTemplate[] {
  return STATIC_TEMPLATES.filter(
    (template) =>
      template.vendor === vendor &&
      signatures.every((s) =>
        template.models.some(
          (m) => m.family === s.family && m.model === s.model && m.stepping === s.stepping,
        ),
      ),
  );
}
