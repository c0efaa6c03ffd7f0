import { describe, expect, test } from "vitest";
import { simulate } from "../src/firecracker/simulate.ts";
import { knownLine, newestVersion, snapshotFormat } from "../src/tables/releases.ts";
import { compareSeen } from "../src/plan/compare-seen.ts";
import { planPool } from "../src/plan/pools.ts";
import { judge } from "../src/verdict/judge.ts";
import { contractOf, profile, promised, rules } from "./verdict-support.ts";

const emulated = (version: string) => profile("ice-lake-sp", { firecracker: [version] });

describe("an emulated node names QEMU where others name Firecracker", () => {
  test("its line and its snapshot format are those of the QEMU release", () => {
    expect(knownLine("qemu-7.2.22")).toBe("qemu-7.2");
    expect(snapshotFormat("qemu-7.2.22")).toBe("qemu-7.2");
    expect(newestVersion(["qemu-7.2.1"])).toBe("qemu-7.2.1");
    for (const version of ["qemu", "qemu-7", "qemu-7.2-rc1", "QEMU 7.2"]) {
      expect(() => knownLine(version)).toThrow("nothing is known");
      expect(snapshotFormat(version)).toBeUndefined();
    }
  });

  test("nothing is written over what a template says", () => {
    const { cpu } = profile("ice-lake-sp");
    const view = simulate(cpu, "intel", "qemu-7.2");
    expect([...view.cpuid.values()]).toEqual(cpu.cpuid);
  });

  test("its snapshots resume under the same line of QEMU and nowhere else", () => {
    const contract = contractOf(emulated("qemu-7.2.22"), undefined, "qemu-7.2.22");
    if (contract === undefined) throw new Error("no contract");
    expect(judge(contract, emulated("qemu-7.2.9")).verdict).toBe("compatible");
    for (const other of ["qemu-8.0.0", "1.14.1"]) {
      const { verdict, findings } = judge(contract, emulated(other));
      expect(verdict).toBe("incompatible");
      expect(rules(findings, "incompatible")).toEqual(["snapshot-format"]);
    }
    const { findings } = judge(promised(profile("ice-lake-sp")), emulated("qemu-7.2.22"));
    expect(rules(findings, "incompatible")).toEqual(["snapshot-format"]);
  });
});

describe("a guest looked at from inside, against the plan", () => {
  const pool = [profile("ice-lake-sp"), profile("cascade-lake")];
  const result = planPool(pool, { identity: "oldest", firecracker: ["qemu-7.2"] });
  if (!result.ok) throw new Error("no plan");
  const { guest, classes } = result.plan;

  function seen() {
    const [planned] = classes;
    if (planned === undefined) throw new Error("no class");
    const { nodeClass, template } = planned;
    return [...simulate(nodeClass.cpu, "intel", "qemu-7.2", template).cpuid.values()];
  }

  test("is as planned where it is", () => {
    const { registers, differences } = compareSeen(guest, seen());
    expect(differences).toEqual([]);
    expect(registers).toBe(guest.cpuid.length * 4);
  });

  test("any planned bit that differs is found, with both values", () => {
    const wrong = seen().map((entry) =>
      entry.leaf === 7 && entry.subleaf === 0 ? { ...entry, ebx: entry.ebx ^ 0x20 } : entry,
    );
    expect(compareSeen(guest, wrong).differences).toMatchObject([
      { address: "CPUID.(EAX=07H,ECX=0):EBX", bits: 0x20 },
    ]);
  });

  test("a missing entry reads as zero, and an unplanned entry must be zero", () => {
    const without = seen().filter(({ leaf }) => leaf !== 0xd);
    const lost = compareSeen(guest, without).differences.map(({ address }) => address);
    expect(lost).toContain("CPUID.(EAX=0DH,ECX=0):EAX");
    const extra = { leaf: 0x30, subleaf: 0, flags: 0, eax: 0, ebx: 1, ecx: 0, edx: 0 };
    expect(compareSeen(guest, [...seen(), extra]).differences).toMatchObject([
      { address: "CPUID.30H:EBX", planned: "0x00000000", actual: "0x00000001" },
    ]);
  });
});
