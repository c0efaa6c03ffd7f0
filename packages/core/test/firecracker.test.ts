import { describe, expect, test } from "vitest";
import { entryKey, REGISTERS } from "../src/cpuid.ts";
import { simulate } from "../src/firecracker/simulate.ts";
import { formatLines, knownLine, snapshotFormat } from "../src/tables/releases.ts";
import { vendorOf } from "../src/tables/vendors.ts";
import { hasSharedData, x86Fingerprints } from "./shared-data.ts";

/** Words that the model does not claim to reproduce, with the reason. */
const EXCLUSIONS: Readonly<Record<string, string>> = {};

describe.skipIf(!hasSharedData)("the boot of a real node without a template", () => {
  test("is reproduced in every word of its fingerprint", () => {
    const wrong: string[] = [];
    for (const { name, cpu } of x86Fingerprints()) {
      const leaf0 = cpu.cpuid.find(({ leaf }) => leaf === 0);
      const vendor = leaf0 === undefined ? undefined : vendorOf(leaf0);
      if (vendor === undefined) throw new Error(`${name} has no vendor`);
      const view = simulate(cpu, vendor, "1.16");
      expect(view.cpuid.size).toBe(cpu.cpuid.length);
      for (const entry of cpu.cpuid) {
        const guest = view.cpuid.get(entryKey(entry.leaf, entry.subleaf));
        for (const register of REGISTERS) {
          const place = `${entryKey(entry.leaf, entry.subleaf)}.${register}`;
          if (place in EXCLUSIONS) continue;
          if (guest?.[register] !== entry[register]) wrong.push(`${name} ${place}`);
        }
      }
      expect([...view.registers]).toEqual(cpu.msrs.map(({ addr, value }) => [addr, value]));
    }
    expect(wrong).toEqual([]);
  });

  test("follows the vCPU count and SMT", () => {
    const profile = x86Fingerprints().find(({ name }) => name.startsWith("INTEL_ICELAKE"));
    if (profile === undefined) throw new Error("no Ice Lake fingerprint");
    const boot = { vcpus: 6, smt: true, index: 5 };
    const { cpuid } = simulate(profile.cpu, "intel", "1.16", undefined, boot);
    const word = (leaf: number, subleaf: number) => cpuid.get(entryKey(leaf, subleaf));
    expect(word(1, 0)?.ebx).toBe(((5 << 24) | (8 << 16) | 0x800) >>> 0);
    expect((word(1, 0)?.edx ?? 0) & (1 << 28)).not.toBe(0);
    expect(word(0xb, 0)).toMatchObject({ eax: 1, ebx: 2, ecx: 0x100, edx: 5 });
    expect(word(0xb, 1)).toMatchObject({ eax: 5, ebx: 6, ecx: 0x201, edx: 5 });
    expect((word(4, 0)?.eax ?? 0) >>> 14).toBe((2 << 12) | 1); // 3 cores, 2 threads share L1
    expect((word(4, 3)?.eax ?? 0) >>> 14).toBe((2 << 12) | 5); // 6 vCPUs share L3
    const before = simulate(profile.cpu, "intel", "1.11", undefined, boot).cpuid;
    expect(before.get(entryKey(0xb, 1))?.eax).toBe(7);
  });
});

test("versions: lines, formats, ranges", () => {
  expect(["1.16.0-dev", "v1.14.1_431f1fc", "1.12"].map(knownLine)).toEqual([
    "1.16",
    "1.14",
    "1.12",
  ]);
  expect(() => knownLine("2.0")).toThrow(/nothing is known/);
  const formats = ["1.6.0", "1.10.0", "1.10.1", "1.10", "1.13.1", "1.14.2", "1.16.0-dev", "x"];
  expect(formats.map(snapshotFormat)).toEqual([
    "1.6",
    "3.0.0",
    "4.0.0",
    undefined,
    "8.0.0",
    "8.0.0",
    // A build between two releases loads what it wrote itself; of more nothing is known.
    "1.16.0-dev",
    undefined,
  ]);
  expect(formatLines(["1.16", "1.5"])).toBe("1.5, 1.16");
  expect(formatLines(["1.14", "1.15", "1.16"])).toBe("1.14–1.16");
});
