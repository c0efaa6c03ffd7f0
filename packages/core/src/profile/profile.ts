/** A node profile: what one node can offer a guest. Facts only; it may be incomplete. */
import type { Arch, ArmRegister, CpuidEntry, MsrValue } from "../cpuid.ts";
import type { RegisterId } from "../tables/registers.ts";
import type { KvmFacts } from "./kvm-facts.ts";

export const PROFILE_SCHEMA = "evenkeel/node-profile@1";

/**
 * What the values are:
 * - `guest`: what a guest sees under Firecracker without a template, after normalization
 * - `kvm`: what KVM reports as supported, before Firecracker touches it
 */
type View = "guest" | "kvm";

export interface HostFacts {
  readonly kernel?: string;
  readonly microcode?: string;
  readonly biosVersion?: string;
  readonly biosRevision?: string;
  readonly cpuModel?: string;
  /** Changes with each boot: `/proc/sys/kernel/random/boot_id`. */
  readonly bootId?: string;
  /** As `/sys/devices/system/cpu/smt/control` says: `on`, `off`, `notsupported`, … */
  readonly smt?: string;
  /** What the node itself runs on: `none` on bare metal, else a name, or `unknown`. */
  readonly hypervisor?: string;
}

/** The CPU's side of a profile; equal nodes may share one. */
export interface OfferedCpu {
  readonly arch: Arch;
  readonly view: View;
  /** Sorted by leaf and subleaf, each once. */
  readonly cpuid: readonly CpuidEntry[];
  /** Sorted by address, each once. */
  readonly msrs: readonly MsrValue[];
  /** aarch64 only. */
  readonly registers: readonly ArmRegister[];
}

export function registersOf({
  msrs,
  registers,
}: Pick<OfferedCpu, "msrs" | "registers">): Map<RegisterId, bigint> {
  const words = new Map<RegisterId, bigint>();
  for (const { addr, value } of msrs) words.set(addr, value);
  for (const { id, value } of registers) words.set(id, value);
  return words;
}

export interface TscFacts {
  readonly khz: number;
  /** Whether the CPU can scale a guest's TSC; undefined where nobody asked. */
  readonly scaling?: boolean;
}

export interface NodeProfile {
  readonly name: string;
  readonly cpu: OfferedCpu;
  readonly host: HostFacts;
  /** Versions installed, or the version whose tool made the fingerprint. */
  readonly firecracker: readonly string[];
  readonly tsc?: TscFacts;
  /** Only where the profile was probed through KVM. */
  readonly kvm?: KvmFacts;
  readonly provenance: string | undefined;
  readonly notes?: readonly string[];
  /** What is missing and why; empty when complete. */
  readonly incomplete: readonly string[];
  /** From the catalogue or a raw dump, not from a measurement of what a guest sees. */
  readonly estimate: boolean;
}
