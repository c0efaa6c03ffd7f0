/**
 * MSRs that KVM lists for every guest, or for every one with a feature, so that a list without them
 * is not whole. Source: `msrs_to_save_base` and `emulated_msrs_all` in Linux arch/x86/kvm/x86.c,
 * 4.14 to 6.18.
 */
import type { MsrValue } from "../../cpuid.ts";

/** Named in every list that Firecracker's tools make. */
export const LISTED_ALWAYS: readonly number[] = [
  0x174, 0x175, 0x176, 0x1a0, 0x277, 0xc000_0081, 0xc000_0082, 0xc000_0083, 0xc000_0084,
  0xc000_0102,
];

/** Listed where guests may have the feature. */
export const LISTED_WITH: readonly (readonly [feature: string, addresses: readonly number[]])[] = [
  ["MPX", [0xd90]],
  ["XFD", [0x1c4, 0x1c5]],
  ["CET_SS", [0x6a0, 0x6a2, 0x6a4, 0x6a5, 0x6a6, 0x6a7, 0x6a8, 0xda0]],
  ["PERFMON_V2", [0xc000_0300, 0xc000_0301, 0xc000_0302, 0xc000_0303]],
  ["WAITPKG", [0xe1]],
];

/** DEBUGCTL, last branches and interrupts: listed by kernels with `lists-branch-msrs`. */
export const BRANCH_MSRS: readonly number[] = [0x1d9, 0x1dd, 0x1de];

/** Listed with those, but not where the CPU has architectural LBRs instead. */
export const LEGACY_BRANCH_MSRS: readonly number[] = [0x1db, 0x1dc];

/**
 * What KVM emulates for every guest and some of Firecracker's tools leave out of their dumps:
 * MSR_PLATFORM_INFO (in `emulated_msrs_all` since 4.12; a new vCPU has CPUID faulting, says
 * `kvm_arch_vcpu_create`), and the TSC deadline, which newer tools leave out since it runs.
 */
export const EMULATED_ALWAYS: readonly MsrValue[] = [
  { addr: 0xce, value: 0x8000_0000n },
  { addr: 0x6e0, value: 0n },
];
