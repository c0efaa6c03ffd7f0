/**
 * MSRs that Firecracker lists of those KVM saves: on every host, on a vendor's, with a feature.
 * Source: `msrs_to_save_base` and `emulated_msrs_all` in Linux arch/x86/kvm/x86.c; values are those
 * of a fresh vCPU.
 */
import type { Vendor } from "../tables/field.ts";
import { LEGACY_BRANCH_MSRS, BRANCH_MSRS, LISTED_WITH } from "../tables/msr/listed.ts";
import { kernelDoes } from "../tables/kernels.ts";

const EVERYWHERE = [
  0x11, 0x12, 0x34, 0x3b, 0x48, 0x9e, 0x140, 0x174, 0x175, 0x176, 0x1fc, 0x4b56_4d00, 0x4b56_4d01,
  0x4b56_4d02, 0x4b56_4d03, 0x4b56_4d04, 0x4b56_4d06, 0x4b56_4d07, 0xc000_0081, 0xc000_0082,
  0xc000_0083, 0xc000_0084, 0xc000_0102, 0xc000_0103, 0xc001_0015,
];
const OF_VENDOR = { intel: [0x3a], amd: [0xc001_0117, 0xc001_011f] } as const;

/** The state MSRs of a guest with their values at boot; the feature MSRs are not among them. */
export function guestMsrs(
  vendor: Vendor,
  has: (feature: string) => boolean,
  kernel: string,
): Map<number, bigint> {
  const addresses = [
    ...EVERYWHERE,
    ...OF_VENDOR[vendor],
    ...LISTED_WITH.flatMap(([feature, own]) => (has(feature) ? own : [])),
  ];
  const isModern = vendor === "intel" && has("MOVDIRI");
  // Since Sapphire Rapids CPUs have WAITPKG, whose MSR KVM lists although Firecracker hides the bit.
  if (isModern) addresses.push(0xe1);
  if (kernelDoes(kernel, "lists-branch-msrs")) {
    addresses.push(...BRANCH_MSRS);
    if (!isModern) addresses.push(...LEGACY_BRANCH_MSRS);
    if (vendor === "intel") addresses.push(0x122);
  }
  const msrs = new Map(addresses.map((addr) => [addr, 0n]));
  if (vendor === "amd" && kernelDoes(kernel, "lists-tsc-ratio")) msrs.set(0xc000_0104, 1n << 32n);
  return msrs
    .set(0x8b, vendor === "intel" ? 1n << 32n : 0x0100_0065n)
    .set(0x1a0, 1n)
    .set(0x277, 0x0007_0406_0007_0406n)
    .set(0x4b56_4d05, 1n);
}
