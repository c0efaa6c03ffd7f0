/** A profile that does not describe its machine any more must not be gone by. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { parseJson } from "../src/json/parse.ts";
import { readProfile } from "../src/read/document.ts";
import { staleProfile } from "../src/drift/stale.ts";
import type { NodeProfile } from "../src/profile/profile.ts";

function example(name: string): NodeProfile {
  const file = new URL(`../../../examples/bug-report-pool/${name}.json`, import.meta.url);
  return readProfile(parseJson(readFileSync(file, "utf8")), name);
}

const kvm = { apiVersion: 12, capabilities: new Map(), featureMsrs: [], unreadableMsrs: [] };
const node: NodeProfile = {
  ...example("xeon-silver-4314"),
  host: { kernel: "6.1.100", microcode: "0x1", bootId: "a" },
  tsc: { khz: 2_400_000, scaling: true },
};

function withoutBit(register: "ebx" | "edx", bit: number): NodeProfile {
  const cpuid = node.cpu.cpuid.map((entry) =>
    entry.leaf === 7 && entry.subleaf === 0
      ? { ...entry, [register]: (entry[register] & ~(1 << bit)) >>> 0 }
      : entry,
  );
  return { ...node, cpu: { ...node.cpu, cpuid } };
}

test("an unchanged machine is not stale, even one that ignores templates", () => {
  const nothing = { matters: [], volatile: [] };
  expect(staleProfile(node, { ...node, host: { ...node.host, bootId: "b" } })).toEqual(nothing);
  const ignoring = { ...node, kvm: { ...kvm, enforcement: { enforced: false, changed: [] } } };
  expect(staleProfile(ignoring, ignoring)).toEqual(nothing);
});

test("microcode, BIOS and a patch of the kernel alone are volatile", () => {
  const host = { ...node.host, kernel: "6.1.128", microcode: "0x2" };
  expect(staleProfile(node, { ...node, host })).toEqual({
    matters: [],
    volatile: [
      "kernel: 6.1.100 in the profile, 6.1.128 now",
      "microcode: 0x1 in the profile, 0x2 now",
    ],
  });
});

test.each<[string, NodeProfile, string]>([
  ["a feature that is gone", withoutBit("ebx", 5), "AVX2"],
  ["a newer kernel", { ...node, host: { kernel: "6.18.1" } }, "kernel: 6.1.100 in the profile"],
  ["another clock", { ...node, tsc: { khz: 2_900_000, scaling: true } }, "TSC: 2400000 kHz"],
  ["scaling that is gone", { ...node, tsc: { khz: 2_400_000, scaling: false } }, "TSC scaling"],
  [
    "a KVM that ignores templates",
    { ...node, kvm: { ...kvm, enforcement: { enforced: false, changed: [] } } },
    "enforcement",
  ],
  ["a reading that failed", { ...node, incomplete: ["no vCPU"] }, "no vCPU"],
  ["another CPU", { ...example("xeon-silver-4216"), host: node.host }, "AVX512_VBMI2"],
])("%s matters, and is named", (_, now, named) => {
  expect(staleProfile(node, now).matters.join("\n")).toContain(named);
});

test("a feature that is new matters too: guests would see it", () => {
  const { matters } = staleProfile(withoutBit("ebx", 5), node);
  expect(matters.join("\n")).toContain("AVX2");
});
