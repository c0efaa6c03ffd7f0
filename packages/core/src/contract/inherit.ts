/** The contract of a snapshot that a node takes of a guest which another snapshot brought there. */
import type { ArmRegister, MsrValue } from "../cpuid.ts";
import { snapshotFormat } from "../firecracker/versions.ts";
import type { NodeProfile } from "../profile/profile.ts";
import type { CpuContract } from "./contract.ts";

export interface InheritOptions {
  /** The version that takes the snapshot. */
  readonly firecracker: string;
  readonly time?: string;
}

/**
 * A snapshot saves all MSRs that the KVM it runs on lists, also those that the guest did not
 * bring: a node that is to resume it must know them too.
 */
function withMsrsOf(own: readonly MsrValue[], { cpu }: NodeProfile): MsrValue[] {
  const known = new Set(own.map(({ addr }) => addr));
  const added = cpu.msrs.filter(({ addr }) => !known.has(addr));
  return [...own, ...added].toSorted((a, b) => a.addr - b.addr);
}

function withRegistersOf(own: readonly ArmRegister[], { cpu }: NodeProfile): ArmRegister[] {
  const known = new Set(own.map(({ id }) => id));
  const added = cpu.registers.filter(({ id }) => !known.has(id));
  return [...own, ...added].toSorted((a, b) => (a.id < b.id ? -1 : 1));
}

/**
 * The guest CPU and the TSC stay those the guest was booted with (Firecracker keeps the TSC's
 * frequency across a restore); the kernel, the format and the set of MSRs are the taker's.
 */
export function inheritContract(
  origin: CpuContract,
  taker: NodeProfile,
  { firecracker, time }: InheritOptions,
): CpuContract {
  return {
    ...origin,
    msrs: withMsrsOf(origin.msrs, taker),
    registers: withRegistersOf(origin.registers, taker),
    kernel: taker.host.kernel,
    firecracker,
    snapshotFormat: snapshotFormat(firecracker),
    incomplete: [...new Set([...origin.incomplete, ...taker.incomplete])],
    time,
  };
}
