import fc from "fast-check";
import type { Finding, Judgement, Verdict } from "@evenkeel/core";
import { describe, expect, test } from "vitest";
import { assess, isSaid } from "../src/assess.ts";
import { readCanary, readKernelEnd } from "../src/console.ts";
import { decodeInstruction } from "../src/instruction.ts";
import { parseNodes } from "../src/node.ts";
import { diedOfKernel, diedWithout, type Died } from "../src/outcome.ts";
import { mapParallel } from "../src/parallel.ts";

const REPORT = [
  "[    0.9] PCI: Fatal: No config space access function found",
  "canary cpuid begin xcr0=0000000000000007",
  "canary cpuid 00000007 00000000 00000000 000003a9 00000000 00000000",
  "canary cpuid 0000000b 00000002 00000000 00000000 00000002 00000000",
  "canary cpuid end",
  "canary feature AVX2 vpaddd",
  "canary ready",
  "canary tick 00000001 cpuid=0123456789abcdef",
  "",
].join("\r\n");

describe("a console", () => {
  test("has the canary's report, features and ticks; a level of no type is no entry", () => {
    const { cpuid, features, ready, ticks, end } = readCanary(REPORT);
    expect(cpuid).toEqual([{ leaf: 7, subleaf: 0, flags: 1, eax: 0, ebx: 0x3a9, ecx: 0, edx: 0 }]);
    expect({ features, ready, ticks, end }).toEqual({
      features: ["AVX2 vpaddd"],
      ready: true,
      ticks: 1,
      end: undefined,
    });
  });

  test("cut anywhere gives no half report", () => {
    fc.assert(
      fc.property(fc.nat({ max: REPORT.length }), (length) => {
        const { cpuid, ticks } = readCanary(REPORT.slice(0, length));
        expect(cpuid === undefined || cpuid.length === 1).toBe(true);
        expect(ticks).toBeLessThanOrEqual(1);
      }),
    );
  });

  test("has the kernel's last words, with the instruction that it died of", () => {
    const text = [
      "[    2.9] invalid opcode: 0000 [#1] PREEMPT SMP PTI",
      "[    2.9] RIP: 0010:__switch_to+0x54/0x400",
      "[    2.9] Code: 65 44 8b 25 00 00 <f3> 48 0f ae c0 48 89 85",
      "[    2.9] Kernel panic - not syncing: Attempted to kill the idle task!",
    ].join("\n");
    const end = readKernelEnd(text);
    if (end === undefined) throw new Error("no last words");
    expect(diedOfKernel(end, 3)).toMatchObject({
      kind: "illegal-instruction",
      in: "kernel",
      instruction: "rdfsbase rax",
      features: ["FSGSBASE"],
      ticks: 3,
    });
    expect(readKernelEnd(REPORT)).toBeUndefined();
  });
});

test("machine code has words and the tables' features", () => {
  expect(decodeInstruction(Buffer.from("c4e2f3f5c2", "hex"))).toMatchObject({
    text: "pdep rax, rcx, rdx",
    features: ["BMI2"],
  });
  expect(decodeInstruction(Buffer.from("660f38dcca", "hex"))?.features).toContain("AESNI");
  expect(decodeInstruction(Buffer.alloc(0))).toBeUndefined();
});

test("models and their switches are told apart", () => {
  const cpus = (text: string) => parseNodes(text).map(({ cpu }) => cpu);
  expect(cpus("Haswell, EPYC-Rome,-avx2,+foo,phys-bits=39 ,,Skylake-Server")).toEqual([
    "Haswell",
    "EPYC-Rome,-avx2,+foo,phys-bits=39",
    "Skylake-Server",
  ]);
  expect(cpus("")).toEqual([]);
  expect(parseNodes("EPYC,EPYC,-abm,EPYC").map(({ name }) => name)).toEqual([
    "EPYC",
    "EPYC,-abm",
    "EPYC #2",
  ]);
});

function judgement(verdict: Verdict, ...names: string[]): Judgement {
  const severity: Finding["severity"] = verdict === "compatible" ? "note" : verdict;
  const blank = { address: "", promised: "1", offered: "0", consequence: "" };
  return {
    verdict,
    findings: names.map((name) => ({ ...blank, rule: "feature", severity, name })),
  };
}

function death(...features: string[]): Died {
  return { ...diedWithout("ended", ""), kind: "illegal-instruction", features };
}

describe("a prediction", () => {
  const lives = { kind: "survived", ticks: 10 } as const;
  const runs = new Set(["AVX2", "PKU"]);

  test("is wrong whenever a guest dies that was not called incompatible", () => {
    const verdicts = fc.constantFrom<Verdict>("compatible", "unknown", "insecure");
    fc.assert(
      fc.property(verdicts, fc.array(fc.string()), (verdict, names) => {
        expect(assess(judgement(verdict, ...names), death("AVX2"), runs).right).toBe(false);
      }),
    );
  });

  test("must name what killed the guest", () => {
    expect(assess(judgement("incompatible", "AVX2"), death("AVX2"), runs).right).toBe(true);
    expect(assess(judgement("incompatible", "BMI2"), death("AVX2"), runs).right).toBe(false);
    expect(assess(judgement("incompatible", "BMI2"), death(), runs).right).toBe(false);
  });

  test("must not deny what the guest goes on executing", () => {
    expect(assess(judgement("compatible"), lives, runs).right).toBe(true);
    expect(assess(judgement("incompatible", "AVX2"), lives, runs).right).toBe(false);
    expect(assess(judgement("incompatible", "SMEP"), lives, runs).right).toBe(true);
  });

  test("allows for what the emulation executes all the same, and says so", () => {
    const { right, why } = assess(judgement("incompatible", "PKU"), lives, runs);
    expect([right, why]).toEqual([true, expect.stringContaining("CR4.PKE")]);
  });
});

test("an agent must say what is judged: the verdict, and each finding but notes", () => {
  const { verdict, findings } = judgement("incompatible", "AVX2", "BMI2");
  const notes = judgement("compatible", "MODEL").findings;
  const judged = { verdict, findings: [...findings, ...notes] };
  expect(isSaid(judged, { verdict, against: findings })).toBe(true);
  expect(isSaid(judged, { verdict, against: findings.slice(1) })).toBe(false);
  expect(isSaid(judged, { verdict, against: judged.findings })).toBe(false);
  expect(isSaid(judged, { verdict: "unknown", against: findings })).toBe(false);
  expect(isSaid(judged, { verdict: "compatible", against: [] })).toBe(false);
  const admitted = { verdict: "compatible", findings: notes } as const;
  expect(isSaid(admitted, { verdict: "compatible", against: [] })).toBe(true);
});

describe("things done a few at a time", () => {
  test("keep their order, and no more run than may", async () => {
    let running = 0;
    let most = 0;
    const results = await mapParallel([30, 5, 20, 1], 2, async (ms, i) => {
      most = Math.max(most, ++running);
      await new Promise((resolve) => void setTimeout(resolve, ms));
      running--;
      return i;
    });
    expect([results, most]).toEqual([[0, 1, 2, 3], 2]);
  });

  test("end with the first failure, after what runs has ended", async () => {
    const ended: number[] = [];
    const work = mapParallel([1, 2, 3], 2, async (n) => {
      if (n === 1) throw new Error("first");
      await new Promise((resolve) => void setTimeout(resolve, 10));
      ended.push(n);
    });
    await expect(work).rejects.toThrow("first");
    expect(ended).toEqual([2]);
  });
});
