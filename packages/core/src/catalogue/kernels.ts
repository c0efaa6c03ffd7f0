/**
 * What a host kernel takes away from a model: KVM passes on only what it knows, so the same CPU
 * shows a guest more on a newer kernel, and sometimes less.
 *
 * A row tells the catalogued kernels apart. Where a stable line got a change with a security fix
 * (leaf 7 subleaf 2 with the BHI fixes, leaf 0x80000021 with the TSA fixes), `since` names that
 * line, because nobody should run it without. The source of 6.16 was read throughout; the releases
 * of other rows follow what is publicly known of the change, and count only as far as
 * docs/catalogue.md measures them: between two catalogued kernels a row may be off.
 */
import type { Vendor } from "../tables/field.ts";
import { words, type CatalogueModel } from "./model.ts";

export const CATALOGUE_KERNELS = ["5.10", "6.1", "6.8", "6.18"] as const;

export type CatalogueKernel = (typeof CATALOGUE_KERNELS)[number];

interface KernelRow {
  readonly vendor?: Vendor;
  readonly since?: string;
  /** The first release that no longer shows them. */
  readonly until?: string;
  /** Only on CPUs with this feature. */
  readonly withFeature?: string;
  /** Not on CPUs with this feature. */
  readonly unless?: string;
  readonly features: readonly string[];
  readonly source: string;
}

const CPUID_C = "Linux arch/x86/kvm/cpuid.c";

const FEATURE_ROWS: readonly KernelRow[] = [
  {
    since: "5.12",
    features: words("AVX_VNNI AVX512_FP16"),
    source: `${CPUID_C}: AVX_VNNI and AVX512_FP16 exposed in 5.12`,
  },
  {
    vendor: "intel",
    since: "5.13",
    features: ["BUS_LOCK_DETECT"],
    source: "Linux arch/x86/kvm/vmx/vmx.c: bus lock debug exception",
  },
  {
    vendor: "amd",
    since: "6.13",
    features: ["BUS_LOCK_DETECT"],
    source: "Linux arch/x86/kvm/svm/svm.c: bus lock detect",
  },
  {
    since: "5.17",
    features: words("AMX_BF16 AMX_TILE AMX_INT8 XCR0_XTILECFG XCR0_XTILEDATA XFD"),
    source: `${CPUID_C}: AMX in 5.17`,
  },
  {
    vendor: "intel",
    since: "6.0",
    features: words("DS DTES64"),
    source: "Linux arch/x86/kvm/vmx/vmx.c: guest PEBS in 6.0, where perf sets pebs_ept",
  },
  {
    vendor: "intel",
    since: "6.2",
    // Before, perf set pebs_ept for Ice Lake alone.
    withFeature: "AMX_TILE",
    features: words("DS DTES64"),
    source: "Linux arch/x86/events/intel: EPT-friendly PEBS of Sapphire Rapids and later",
  },
  {
    vendor: "intel",
    since: "6.1",
    features: words("PSFD IPRED_CTRL RRSBA_CTRL DDPD_U BHI_CTRL MCDT_NO"),
    source: `${CPUID_C}: CPUID.(7,2):EDX[5:0]; in 6.1.y with the BHI fixes`,
  },
  {
    vendor: "amd",
    since: "6.1",
    features: words("AMD_PSFD NO_SMM_CTL_MSR"),
    source: `${CPUID_C}: not in 5.10`,
  },
  {
    vendor: "amd",
    until: "6.1",
    features: words(`SME SEV VM_PAGE_FLUSH SEV_ES SEV_SNP VMPL RMPQUERY VMPL_SSS SECURE_TSC
      V_TSC_AUX SME_COHERENT SEV_64BIT_ONLY RESTRICTED_INJECTION ALTERNATE_INJECTION DEBUG_SWAP
      PREVENT_HOST_IBS VTE VMGEXIT_PARAMETER VIRTUAL_TOM_MSR IBS_VIRT_GUEST VMSA_REG_PROTECTION
      SMT_PROTECTION`),
    source: `${CPUID_C}: leaf 0x8000001f is zero where guests cannot have SEV`,
  },
  {
    vendor: "intel",
    since: "6.2",
    features: words("AMX_FP16 PREFETCHI CMPCCXADD AVX_IFMA AVX_VNNI_INT8 AVX_NE_CONVERT"),
    source: `${CPUID_C}: leaf 7 subleaf 1 in 6.2`,
  },
  {
    since: "6.3",
    features: ["AUTO_IBRS"],
    source: `${CPUID_C}: automatic IBRS in 6.3`,
  },
  {
    since: "6.4",
    features: words("FLUSH_L1D FZRM FSRS FSRC"),
    source: `${CPUID_C}: FLUSH_L1D and the fast string features in 6.4`,
  },
  {
    since: "6.5",
    features: ["PERFMON_V2"],
    source: `${CPUID_C}: leaf 0x80000022 in 6.5`,
  },
  {
    since: "6.7",
    features: words("FSGS_NON_SERIALIZING SBPB IBPB_BRTYPE"),
    source: `${CPUID_C}: leaf 0x80000021 bits 1, 27 and 28 in 6.7`,
  },
  {
    since: "6.13",
    features: words("IBPB_RET SHA512 SM3 SM4 AVX_VNNI_INT16"),
    source: `${CPUID_C}: AMD's IBPB told apart from Intel's, SHA512 and others in 6.13`,
  },
  {
    vendor: "amd",
    until: "6.13",
    unless: "IBPB_RET",
    features: ["SPEC_CTRL"],
    source: `${CPUID_C}: Intel's bit promises more than IBPB does on these`,
  },
  {
    since: "6.16",
    features: words(`AVX10 AVX10_128 AVX10_256 AVX10_512 WRMSRNS IBRS_SAME_MODE AMD_PREFETCHI
      SRSO_USER_KERNEL_NO TSA_SQ_NO TSA_L1_NO`),
    source: `${CPUID_C} of 6.16, which says TSA_SQ_NO and TSA_L1_NO whatever the CPU`,
  },
  {
    since: "6.18",
    features: words("CET_SS CET_IBT XSS_CET_U XSS_CET_S"),
    source: "Linux 6.18: CET virtualization",
  },
];

/** Highest leaves that KVM knows. Source: the `min` in `__do_cpuid_func` of {@link CPUID_C}. */
const LIMITS: readonly (readonly [since: string, basic: number, leaf7: number, ext: number])[] = [
  ["6.18", 0x24, 2, 0x8000_0022],
  ["6.8", 0x1f, 2, 0x8000_0022],
  ["6.1", 0x1f, 2, 0x8000_0021],
  ["5.10", 0x1f, 1, 0x8000_0021],
];

/** Whether release `a` is `b` or newer. */
export function atLeast(a: string, b: string): boolean {
  const [aMajor = 0, aMinor = 0] = a.split(".").map(Number);
  const [bMajor = 0, bMinor = 0] = b.split(".").map(Number);
  return aMajor > bMajor || (aMajor === bMajor && aMinor >= bMinor);
}

function hides(row: KernelRow, model: CatalogueModel, kernel: string): boolean {
  const { vendor, since, until, unless, withFeature } = row;
  if (vendor !== undefined && vendor !== model.vendor) return false;
  if (withFeature !== undefined && !model.features.includes(withFeature)) return false;
  if (unless !== undefined && model.features.includes(unless)) return false;
  return (
    (since !== undefined && !atLeast(kernel, since)) ||
    (until !== undefined && atLeast(kernel, until))
  );
}

/** The model as KVM of one kernel passes it on. */
export function onKernel(model: CatalogueModel, kernel: CatalogueKernel): CatalogueModel {
  const rows = FEATURE_ROWS.filter((row) => hides(row, model, kernel));
  const gone = new Set(rows.flatMap(({ features }) => features));
  const [, basic, leaf7, extended] =
    LIMITS.find(([since]) => atLeast(kernel, since)) ?? (["", 0, 0, 0] as const);
  return {
    ...model,
    features: model.features.filter((name) => !gone.has(name)),
    maxBasicLeaf: Math.min(model.maxBasicLeaf, basic),
    maxLeaf7Subleaf: Math.min(model.maxLeaf7Subleaf, leaf7),
    maxExtendedLeaf: Math.min(model.maxExtendedLeaf, extended),
  };
}
