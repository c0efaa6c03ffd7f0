/** CPU vendors by the string that leaf 0 spells. */
import type { CpuidEntry, Registers } from "../cpuid.ts";
import type { CpuType, Vendor } from "./field.ts";

const VENDOR_STRINGS: Readonly<Record<string, Vendor>> = {
  GenuineIntel: "intel",
  AuthenticAMD: "amd",
};

/** The twelve characters of CPUID leaf 0, in EBX, EDX, ECX order. */
export function vendorString({ ebx, edx, ecx }: Registers): string {
  return [ebx, edx, ecx]
    .flatMap((word) => [0, 8, 16, 24].map((shift) => (word >>> shift) & 0xff))
    .map((byte) => String.fromCharCode(byte))
    .join("");
}

export function vendorOf(leaf0: Registers): Vendor | undefined {
  return vendorNamed(vendorString(leaf0));
}

/** The vendor of a CPU, by its leaf 0; undefined where that is absent or nothing is known. */
export function vendorOfCpu(cpuid: readonly CpuidEntry[]): Vendor | undefined {
  const leaf0 = cpuid.find(({ leaf }) => leaf === 0);
  return leaf0 === undefined ? undefined : vendorOf(leaf0);
}

/** Whose rows describe a CPU; undefined where its CPU vendor is unknown. */
export function cpuTypeOf(cpu: {
  readonly arch: string;
  readonly cpuid: readonly CpuidEntry[];
}): CpuType | undefined {
  return cpu.arch === "aarch64" ? "aarch64" : vendorOfCpu(cpu.cpuid);
}

export function archOf(type: CpuType): "x86_64" | "aarch64" {
  return type === "aarch64" ? type : "x86_64";
}

/** The vendor that calls itself `GenuineIntel` or `AuthenticAMD`. */
export function vendorNamed(name: string): Vendor | undefined {
  return Object.hasOwn(VENDOR_STRINGS, name) ? VENDOR_STRINGS[name] : undefined;
}
