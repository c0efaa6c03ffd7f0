/** The shape of a CPU model's row: name, launch, bugs, and its guests in the catalogue. */
import type { BugId } from "../bugs.ts";
import type { Vendor } from "../field.ts";
import { words } from "../words.ts";

export interface Model {
  readonly vendor: Vendor;
  readonly family: number;
  readonly model: number;
  /** Lowest and highest stepping; all of them when absent. */
  readonly steppings?: readonly [lowest: number, highest: number];
  readonly name: string;
  /** Year and quarter of launch, e.g. 2019.25 for the second quarter of 2019. */
  readonly launched: number;
  /** Bugs that a guest's kernel looks up by this model. */
  readonly bugs: readonly BugId[];
  /** Where the catalogue has it. */
  readonly catalogue?: Catalogued;
}

/** A model's guest CPU, estimated from documents. */
export interface Catalogued {
  /** The stepping that guests are shown. */
  readonly stepping: number;
  /** The published guest fingerprint that open bits were placed by; undefined: documents alone. */
  readonly fittedTo?: string;
  /** What the newest catalogued kernel shows a guest; older ones show less (kvm/passed.ts). */
  readonly features: readonly string[];
  /** The highest leaves of the CPU itself; a kernel may know fewer. */
  readonly maxBasicLeaf: number;
  readonly maxLeaf7Subleaf: number;
  readonly maxExtendedLeaf: number;
  readonly physicalBits: number;
  readonly linearBits: number;
  /** Size and offset of the AVX-512 and PKRU parts of the XSAVE area: vendors differ. */
  readonly stateOffsets: Readonly<Record<string, number>>;
}

/** Makes the rows of one vendor's family. `bugs`: of all its models, but for those that say more. */
export function family(vendor: Vendor, number: number, bugs: readonly BugId[] = []) {
  return (model: number, name: string, launched: number, more: Partial<Model> = {}): Model => ({
    vendor,
    family: number,
    model,
    name,
    launched,
    bugs,
    ...more,
  });
}

/** A model's guest CPU: the stepping, the features, and all the numbers. */
export function guest(
  stepping: number,
  features: readonly string[],
  numbers: Omit<Catalogued, "stepping" | "features">,
): Catalogued {
  return { ...numbers, stepping, features };
}

export function without(features: readonly string[], gone: string): string[] {
  const names = new Set(words(gone));
  return features.filter((name) => !names.has(name));
}

/** What every server CPU of both vendors has since 2017, as KVM passes it on. */
export const COMMON = words(`
  FPU VME DE PSE TSC MSR PAE MCE CMPXCHG8B APIC SEP MTRR PGE MCA CMOV PAT PSE36 CLFLUSH MMX FXSR
  SSE SSE2 SSE3 PCLMULQDQ SSSE3 FMA CMPXCHG16B SSE4_1 SSE4_2 X2APIC MOVBE POPCNT
  TSC_DEADLINE AESNI XSAVE AVX F16C RDRAND HYPERVISOR ARAT
  FSGSBASE TSC_ADJUST BMI1 AVX2 SMEP BMI2 RDSEED ADX SMAP CLFLUSHOPT CLWB UMIP
  SPEC_CTRL STIBP SSBD XCR0_X87 XCR0_SSE XCR0_AVX XSAVEOPT XSAVEC XGETBV1 XSAVES
  LAHF_LM LZCNT PREFETCHW SYSCALL NX PDPE1GB RDTSCP LM INVARIANT_TSC
  AMD_IBPB AMD_IBRS AMD_STIBP AMD_SSBD`);

export const AVX512_STATE = words("XCR0_OPMASK XCR0_ZMM_HI256 XCR0_HI16_ZMM");

/** What KVM itself offers every guest. Source: KVM_CPUID_FEATURES in Linux arch/x86/kvm/cpuid.c. */
export const PARAVIRTUAL = words(`
  KVM_CLOCKSOURCE KVM_NOP_IO_DELAY KVM_CLOCKSOURCE2 KVM_ASYNC_PF KVM_STEAL_TIME KVM_PV_EOI
  KVM_PV_UNHALT KVM_PV_TLB_FLUSH KVM_ASYNC_PF_VMEXIT KVM_PV_SEND_IPI KVM_POLL_CONTROL
  KVM_PV_SCHED_YIELD KVM_ASYNC_PF_INT KVM_CLOCKSOURCE_STABLE CPUID_FAULTING`);
