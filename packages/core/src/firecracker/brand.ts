/**
 * The brand string that Firecracker writes: the vendor's alone, with Intel's nominal frequency.
 * Source: src/vmm/src/cpu_config/x86_64/cpuid/{intel,amd}/normalize.rs, v1.5.0 to v1.16.0.
 */
import { entryKey, REGISTERS, type CpuidEntry, type CpuidMap } from "../cpuid.ts";
import type { CpuType } from "../tables/field.ts";

const BRAND_LEAVES = [0x8000_0002, 0x8000_0003, 0x8000_0004] as const;

/** The brand string as the CPU gives it; empty where it has none. */
export function brandOf(cpuid: CpuidMap): string {
  const bytes = BRAND_LEAVES.flatMap((leaf) => {
    const entry = cpuid.get(entryKey(leaf, 0));
    return REGISTERS.flatMap((register) =>
      [0, 8, 16, 24].map((shift) => ((entry?.[register] ?? 0) >>> shift) & 0xff),
    );
  });
  // A dump may hold anything; only what can be printed is a name.
  const printable = bytes.filter((byte) => byte >= 0x20 && byte < 0x7f);
  return String.fromCharCode(...printable).trim();
}

function charactersAt(text: string, at: number): number {
  return [0, 1, 2, 3].reduce((word, i) => {
    const code = text.charCodeAt(at + i);
    return (word | ((Number.isNaN(code) ? 0 : code & 0xff) << (8 * i))) >>> 0;
  }, 0);
}

/** The entries that spell a brand string, instead of those in `cpuid`. */
export function withBrand(cpuid: readonly CpuidEntry[], brand: string): CpuidEntry[] {
  return cpuid.map((entry) => {
    const part = BRAND_LEAVES.findIndex((leaf) => leaf === entry.leaf);
    if (part === -1) return entry;
    const word = (i: number) => charactersAt(brand, 16 * part + 4 * i);
    return { ...entry, eax: word(0), ebx: word(1), ecx: word(2), edx: word(3) };
  });
}

export function guestBrand(vendor: CpuType, host: string): string {
  if (vendor === "amd") return "AMD EPYC";
  const frequency = /@ *(\d{1,2}\.\d{1,3}[GM]Hz)/.exec(host)?.[1];
  return `Intel(R) Xeon(R) Processor${frequency === undefined ? "" : ` @ ${frequency}`}`;
}
