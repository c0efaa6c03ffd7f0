/** The CPU contract: the record kept beside a snapshot of the guest CPU it was taken with. */
import type { Arch, ArmRegister, CpuidEntry, MsrValue } from "../cpuid.ts";
import type { CpuType, Vendor } from "../tables/field.ts";

export const CONTRACT_SCHEMA = "evenkeel/cpu-contract@1";

export interface CpuContract {
  readonly arch: Arch;
  /** x86 only. */
  readonly vendor: Vendor | undefined;
  /** Guest CPUID as the first vCPU sees it, sorted. */
  readonly cpuid: readonly CpuidEntry[];
  readonly msrs: readonly MsrValue[];
  /** aarch64 only. */
  readonly registers: readonly ArmRegister[];
  readonly vcpus: number;
  readonly smt: boolean;
  readonly tscKhz: number | undefined;
  readonly kernel: string | undefined;
  /** The Firecracker version that boots the guest, and the snapshot format it writes. */
  readonly firecracker: string;
  readonly snapshotFormat: string | undefined;
  readonly kvmCapabilities: readonly string[];
  /** MSRs that the template names: Firecracker saves them whatever they are. Undefined: any may be. */
  readonly templateMsrs: readonly number[] | undefined;
  /** Names of promises that the node it was taken on does not keep either: a template's. */
  readonly unbacked: readonly string[];
  readonly node: string;
  readonly class: string | undefined;
  /** What shaped the guest CPU: a file's or a built-in template's name. */
  readonly template: string | undefined;
  readonly plan: string | undefined;
  /** `predicted` from a profile, or `read` from a live guest. */
  readonly made: "predicted" | "read";
  /** Why nothing may be built on it, if so. */
  readonly incomplete: readonly string[];
  /** ISO 8601. */
  readonly time: string | undefined;
}

/** Whose rows describe the guest; undefined where its CPU vendor is unknown. */
export function contractType({
  arch,
  vendor,
}: Pick<CpuContract, "arch" | "vendor">): CpuType | undefined {
  return arch === "aarch64" ? arch : vendor;
}
