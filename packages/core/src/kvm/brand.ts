/**
 * The brand string that Firecracker writes: the vendor's alone, with Intel's nominal frequency.
 * Source: src/vmm/src/cpu_config/x86_64/cpuid/{intel,amd}/normalize.rs, v1.5.0 to v1.16.0.
 */
import { entryKey, REGISTERS, type CpuidMap } from "../cpuid.ts";
import type { Vendor } from "../tables/field.ts";

/** The brand string as the CPU gives it; empty where it has none. */
export function brandOf(cpuid: CpuidMap): string {
  const bytes = [0x8000_0002, 0x8000_0003, 0x8000_0004].flatMap((leaf) => {
    const entry = cpuid.get(entryKey(leaf, 0));
    return REGISTERS.flatMap((register) =>
      [0, 8, 16, 24].map((shift) => ((entry?.[register] ?? 0) >>> shift) & 0xff),
    );
  });
  // A dump may hold anything; only what can be printed is a name.
  const printable = bytes.filter((byte) => byte >= 0x20 && byte < 0x7f);
  return String.fromCharCode(...printable).trim();
}

export function guestBrand(vendor: Vendor, host: string): string {
  if (vendor === "amd") return "AMD EPYC";
  const frequency = /@ *(\d{1,2}\.\d{1,3}[GM]Hz)/.exec(host)?.[1];
  return `Intel(R) Xeon(R) Processor${frequency === undefined ? "" : ` @ ${frequency}`}`;
}
