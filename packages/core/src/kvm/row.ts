/** The shape of a row of what KVM shows guests, and where the rows were read. */
import type { Vendor } from "../tables/field.ts";
import { words } from "../tables/words.ts";

/**
 * Where a guest's bit comes from:
 * - `hardware`: the same bit of the CPU
 * - `kvm`: set whatever the CPU says: KVM emulates it, or the host kernel promises it
 * - a list: set where the CPU has all of these
 */
type Origin = "hardware" | "kvm" | readonly string[];

export interface PassedRow {
  readonly features: readonly string[];
  readonly from: Origin;
  readonly vendor?: Vendor;
  readonly since?: string;
  /** The first release that no longer shows them so. */
  readonly until?: string;
  /** Families and models as people write them (Ice Lake-SP: 6/106); all when absent. */
  readonly families?: readonly number[];
  readonly models?: readonly number[];
  readonly exceptModels?: readonly number[];
  readonly steppingsTo?: number;
  readonly unless?: string;
  readonly source: string;
}

export const CPUID_C = "Linux arch/x86/kvm/cpuid.c, kvm_set_cpu_caps";
export const VMX_C = "Linux arch/x86/kvm/vmx/vmx.c, vmx_set_cpu_caps";
export const SVM_C = "Linux arch/x86/kvm/svm/svm.c, svm_set_cpu_caps";
export const X86_C = "Linux arch/x86/kvm/x86.c, kvm_get_arch_capabilities";
export const COMMON_C = "Linux arch/x86/kernel/cpu/common.c, cpu_vuln_blacklist";

/** On which CPUs and kernels a row holds: on all where nothing is said. */
type Where = Omit<PassedRow, "features" | "from" | "source">;

export function since(line: string): Where {
  return { since: line };
}

function on(vendor: Vendor, parts: readonly (string | Where)[]): Where {
  const all = parts.map((part) => (typeof part === "string" ? since(part) : part));
  return Object.assign({ vendor }, ...all) as Where;
}

/** On Intel's CPUs; a text is the Linux release from which on. */
export const intel = (...parts: readonly (string | Where)[]) => on("intel", parts);

export const amd = (...parts: readonly (string | Where)[]) => on("amd", parts);

/** Features that KVM passes on as the CPU has them. */
export function hardware(features: string, source: string, where: Where = {}): PassedRow {
  return { from: "hardware", features: words(features), source, ...where };
}

/** Features that KVM shows whatever the CPU says. */
export function emulated(features: string, source: string, where: Where = {}): PassedRow {
  return { from: "kvm", features: words(features), source, ...where };
}

/** Features that KVM shows where the CPU has all of some others. */
export function translated(
  from: string,
  features: string,
  source: string,
  where: Where = {},
): PassedRow {
  return { from: words(from), features: words(features), source, ...where };
}
