/** What a node's KVM says of itself, and whether it keeps its word. */
import type { MsrValue, Register } from "../cpuid.ts";
import type { Arch } from "./profile.ts";

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
  /** Empty where it is enforced. */
  readonly changed: readonly ChangedWord[];
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
  /** Undefined where nobody tried: aarch64, where KVM refuses what it cannot do. */
  readonly enforcement?: Enforcement;
}

/** Whether CPU templates are known to have no effect there. */
export function ignoresTemplates(profile: { readonly kvm?: KvmFacts }): boolean {
  return profile.kvm?.enforcement?.enforced === false;
}

const IGNORES_TEMPLATES =
  "its KVM gives guests the hardware's own CPUID, whatever a CPU template says";
const UNTRIED = "nobody tried whether its KVM does what a CPU template says";

/**
 * Why nobody may count on CPU templates there, for a sentence that begins with the node's name;
 * undefined where nothing speaks against it. A fingerprint does not say, and is believed: it shows
 * what a guest saw.
 */
export function templateDoubt(profile: {
  readonly cpu: { readonly arch: Arch };
  readonly kvm?: KvmFacts;
}): string | undefined {
  const { cpu, kvm } = profile;
  if (ignoresTemplates(profile)) return IGNORES_TEMPLATES;
  const untried = kvm !== undefined && kvm.enforcement === undefined;
  return untried && cpu.arch === "x86_64" ? UNTRIED : undefined;
}
