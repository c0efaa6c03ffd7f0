/** Whether a profile says enough to be built on. */
import { entryKey, type CpuidMap } from "../cpuid.ts";
import { leafAddress, msrAddress } from "../format/address.ts";
import { STATE_COMPONENTS } from "../tables/cpuid/xsave.ts";
import type { Vendor } from "../tables/field.ts";
import { ARCH_CAPABILITIES } from "../tables/msr/capabilities.ts";
import type { OfferedCpu } from "./profile.ts";

/** Leaves without which nothing can be said about a guest. */
export const REQUIRED_LEAVES: readonly (readonly [leaf: number, subleaf: number])[] = [
  [0x0, 0],
  [0x1, 0],
  [0x7, 0],
  [0xd, 0],
  [0xd, 1],
  [0x8000_0000, 0],
  [0x8000_0001, 0],
  [0x8000_0008, 0],
];

const ARCH_CAPABILITIES_BIT = 29;

/** What a profile lacks to be planned or judged with; empty when nothing. */
export function missingFacts(
  profile: { readonly incomplete: readonly string[]; readonly cpu: Pick<OfferedCpu, "msrs"> },
  cpuid: CpuidMap,
  vendor: Vendor,
): string[] {
  const missing = [...profile.incomplete];
  for (const [leaf, subleaf] of REQUIRED_LEAVES) {
    if (!cpuid.has(entryKey(leaf, subleaf)))
      missing.push(`${leafAddress(leaf, subleaf)} is absent`);
  }
  const xcr0 = cpuid.get(entryKey(0xd, 0))?.eax ?? 0;
  for (const { index, in: where, name } of STATE_COMPONENTS) {
    if (where === "xcr0" && (xcr0 >>> index) & 1 && !cpuid.has(entryKey(0xd, index))) {
      missing.push(`${leafAddress(0xd, index)} is absent, but ${name} is offered`);
    }
  }
  const leaf7 = cpuid.get(entryKey(0x7, 0))?.edx ?? 0;
  const hasMsr = profile.cpu.msrs.some(({ addr }) => addr === ARCH_CAPABILITIES);
  if (vendor === "intel" && (leaf7 >>> ARCH_CAPABILITIES_BIT) & 1 && !hasMsr) {
    missing.push(`${msrAddress(ARCH_CAPABILITIES)} is absent, but ARCH_CAPABILITIES is offered`);
  }
  return missing;
}
