/**
 * Which of the MSRs that KVM lists a Firecracker fingerprint has. A probed profile has the same, so
 * that both say the same of a node.
 * Source: UNDUMPABLE_MSR_RANGES in src/vmm/src/arch/x86_64/msr.rs and MSR_EXCLUSION_LIST in
 * src/cpu-template-helper/src/template/dump/x86_64.rs, v1.16.1.
 */
import type { Vendor } from "../tables/field.ts";
import { ARCH_CAPABILITIES } from "../tables/msr/capabilities.ts";

const LEFT_OUT: readonly (readonly [first: number, last: number, why: string])[] = [
  [0x10, 0x10, "the TSC runs"],
  [0xc1, 0xc8, "performance counters need leaf 0xA, which Firecracker clears"],
  [0x17a, 0x17b, "Firecracker gives guests no machine checks"],
  [0x186, 0x18d, "performance counters"],
  [0x309, 0x30c, "performance counters"],
  [0x345, 0x345, "PDCM, which Firecracker clears"],
  [0x38d, 0x390, "performance counters"],
  [0x3f1, 0x3f2, "PEBS, part of the performance counters"],
  [0x480, 0x491, "nested virtualization, which templates may hide"],
  [0x4d0, 0x4d0, "Firecracker gives guests no machine checks"],
  [0x600, 0x600, "PEBS"],
  [0x6e0, 0x6e0, "the TSC deadline runs with the TSC"],
  [0x4000_0000, 0x4000_0118, "Hyper-V's, which Firecracker does not offer"],
  [0xc001_0000, 0xc001_0007, "performance counters"],
  [0xc001_0200, 0xc001_020b, "performance counters"],
];

export function isDumpedMsr(vendor: Vendor | undefined, addr: number): boolean {
  // KVM emulates it on AMD, and Firecracker hides the CPUID bit that announces it.
  if (vendor === "amd" && addr === ARCH_CAPABILITIES) return false;
  return !LEFT_OUT.some(([first, last]) => addr >= first && addr <= last);
}
