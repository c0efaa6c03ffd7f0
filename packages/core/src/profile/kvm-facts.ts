/** What a node's KVM says of itself, and whether it keeps its word. */
import type { Arch, MsrValue, Register } from "../cpuid.ts";

/** A word of CPUID that a vCPU was given, and what KVM answered when asked for it again. */
export interface ChangedWord {
  readonly leaf: number;
  readonly subleaf: number;
  readonly register: Register;
  readonly asked: number;
  readonly answered: number;
}

/**
 * The trial of a CPU template on a real vCPU: bits are hidden, weaknesses announced, the CPUID is
 * set and read back. A KVM that answers something else gives guests what it likes.
 */
export interface Enforcement {
  readonly enforced: boolean;
  readonly changed: readonly ChangedWord[];
}

/**
 * What KVM_SET_ONE_REG took for one field of a register of an aarch64 vCPU that had not run yet:
 * the same decides over a template at boot and over a snapshot at its restore.
 */
export interface TakenField {
  readonly id: bigint;
  readonly hi: number;
  readonly lo: number;
  /** Values taken and kept, besides the one that KVM shows; sorted. */
  readonly values: readonly bigint[];
  /** Values taken without an error, and not kept; sorted. */
  readonly ignored: readonly bigint[];
}

export interface KvmFacts {
  readonly apiVersion: number;
  /** The module behind it: `kvm_intel`, `kvm_amd`, `kvm_pvm`; undefined where it has no name. */
  readonly backend?: string;
  /** What KVM_CHECK_EXTENSION answers, by number; a capability that is not here answers 0. */
  readonly capabilities: ReadonlyMap<number, number>;
  /** What the host's KVM says of its feature MSRs (KVM_GET_MSRS on /dev/kvm), sorted. */
  readonly featureMsrs: readonly MsrValue[];
  /** Listed by KVM, but a vCPU cannot read them; sorted. */
  readonly unreadableMsrs: readonly number[];
  /** x86; undefined where nobody tried. */
  readonly enforcement?: Enforcement;
  /**
   * aarch64: fields of ID registers that KVM takes other values for, sorted by register and bit.
   * Every field was tried, and those that are not here refused all values; undefined: not tried.
   */
  readonly takenFields?: readonly TakenField[];
}

export function ignoresTemplates(profile: { readonly kvm?: KvmFacts }): boolean {
  return profile.kvm?.enforcement?.enforced === false;
}

const IGNORES_TEMPLATES =
  "its KVM shows guests the hardware's own CPUID whatever a CPU template says";
const UNTRIED = "it has not been tested whether its KVM enforces CPU templates";

/** Why templates may have no effect on a node. A fingerprint has no trial, and is trusted. */
export function templateDoubt(profile: {
  readonly cpu: { readonly arch: Arch };
  readonly kvm?: KvmFacts;
}): string | undefined {
  const { cpu, kvm } = profile;
  if (ignoresTemplates(profile)) return IGNORES_TEMPLATES;
  const untried = kvm !== undefined && kvm.enforcement === undefined;
  return untried && cpu.arch === "x86_64" ? UNTRIED : undefined;
}
