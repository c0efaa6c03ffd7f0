import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compareText } from "../src/format/text.ts";
import { ALL_LINES } from "../src/tables/releases.ts";
import type { Plan, PlanOptions } from "../src/plan/plan.ts";
import { planPool, planPools } from "../src/plan/pools.ts";
import { parseFeatures } from "../src/plan/shape.ts";
import type { NodeProfile } from "../src/profile/profile.ts";
import { assessStaticTemplate } from "../src/plan/assess-static.ts";
import { modelCpu, node, nodeCpu, pool } from "./arbitrary.ts";
import { fingerprint, hasSharedData, x86Fingerprints } from "./shared-data.ts";

const CACHES = { caches: [], brand: "" };

function model(id: string, off: readonly string[] = [], host = {}): NodeProfile {
  return { ...node(id, modelCpu(id, off, CACHES)), host };
}

function options(changes: Partial<PlanOptions> = {}): PlanOptions {
  return { identity: "oldest", firecracker: ALL_LINES, ...changes };
}

function planned(profiles: readonly NodeProfile[], changes: Partial<PlanOptions> = {}): Plan {
  const result = planPool(profiles, options(changes));
  if (!result.ok) throw new Error(result.refusals.map(({ message }) => message).join("\n"));
  return result.plan;
}

const generations = [
  model("skylake-sp"),
  model("cascade-lake"),
  model("ice-lake-sp"),
  model("sapphire-rapids"),
];

describe("what the operator asks of a pool", () => {
  test("features and levels are read by name", () => {
    expect(parseFeatures(["AVX2,GFNI"], "--require")).toEqual(["AVX2", "GFNI"]);
    expect(parseFeatures(["x86-64-v2"], "--require")).toContain("SSE4_2");
    expect(() => parseFeatures(["AVX3"], "--require")).toThrow(
      /--require: "AVX3" is neither a feature/,
    );
    expect(() => parseFeatures(["RRSBA"], "--forbid")).toThrow(/is neither a feature/);
  });

  test("a requirement that cannot be met names the classes in the way", () => {
    const require = parseFeatures(["x86-64-v3", "GFNI"], "--require");
    const result = planPool(generations, options({ require }));
    if (result.ok) throw new Error("must be refused");
    expect(result.refusals.map(({ code, nodes }) => [code, nodes])).toEqual([
      ["requirement", ["skylake-sp", "cascade-lake"]],
    ]);
    expect(planned(generations, { require: parseFeatures(["x86-64-v4"], "") }).level).toBe(
      "x86-64-v4",
    );
  });

  test("a forbidden feature goes with what depends on it, and nothing else goes", () => {
    const plan = planned([model("ice-lake-sp")], { forbid: ["AVX512F"] });
    const reasons = new Map(plan.classes[0]?.givesUp.map((g) => [g.name, g.reason]));
    expect(reasons.get("AVX512F")).toEqual({ kind: "forbidden" });
    expect(reasons.get("AVX512_VBMI")).toEqual({ kind: "requires", feature: "AVX512BW" });
    expect(plan.guest.features).toContain("VAES");
    const xsave = plan.guest.cpuid.find(({ leaf, subleaf }) => leaf === 0xd && subleaf === 0);
    expect(xsave?.registers.eax.value).toBe(0x207);
  });

  test("forbidding never adds a feature and keeps the proof", () => {
    fc.assert(
      fc.property(pool, fc.nat(), (profiles, pick) => {
        const before = planned(profiles).guest.features;
        // Without this MSR no weakness could be announced; that is refused, and tested elsewhere.
        const names = before.filter((feature) => feature !== "ARCH_CAPABILITIES");
        const name = names[pick % names.length] ?? "";
        const after = planned(profiles, { forbid: [name] }).guest.features;
        expect(after).not.toContain(name);
        expect(after.filter((feature) => !before.includes(feature))).toEqual([]);
      }),
      { numRuns: 40 },
    );
  });

  test("classes are left out by model or id; unknown ones are named", () => {
    const plan = planned(generations, { without: ["skylake-sp"] });
    expect(plan.classes.map(({ nodeClass }) => nodeClass.nodes[0])).toEqual([
      "cascade-lake",
      "ice-lake-sp",
      "sapphire-rapids",
    ]);
    expect(() => planned(generations, { without: ["haswell"] })).toThrow(/no class is called "haswell"/);
    expect(() => planned([model("ice-lake-sp")], { without: ["ice-lake-sp"] })).toThrow(
      /no class is left/,
    );
  });

  test("a pool below x86-64-v3 is warned about", () => {
    const weak = model("skylake-sp", ["AVX2"]);
    expect(planned([weak]).warnings.join()).toContain("built for x86-64-v3 do not start");
    expect(planned(generations).warnings).toEqual([]);
  });
});

describe("several pools", () => {
  const split = (profiles: readonly NodeProfile[], how: { pools?: number; maxLoss?: number }) => {
    const result = planPools(profiles, options(), how);
    if ("ok" in result) throw new Error("must split");
    return result;
  };
  const names = (result: ReturnType<typeof split>) =>
    result.pools
      .map((p) => (p.ok ? p.plan.classes.flatMap(({ nodeClass }) => nodeClass.nodes) : []))
      .map((nodes) => nodes.toSorted(compareText).join("+"))
      .toSorted(compareText);

  test("are joined where it costs least", () => {
    const two = split(generations, { pools: 2 });
    expect(names(two)).toEqual(["cascade-lake+skylake-sp", "ice-lake-sp+sapphire-rapids"]);
    expect(two.tree.map(({ joined }) => joined)).toEqual([true, true, false]);
    expect(names(split(generations, { pools: 4 }))).toHaveLength(4);
    expect(names(split(generations, { pools: 1 }))).toHaveLength(1);
  });

  test("never cost a class more than it may", () => {
    fc.assert(
      fc.property(
        fc.array(nodeCpu, { minLength: 2, maxLength: 5 }),
        fc.nat({ max: 30 }),
        (cpus, maxLoss) => {
          const profiles = cpus.map((cpu, i) => node(`n${i}`, cpu));
          const own = new Map(profiles.map((p) => [p.name, planned([p]).guest.features.length]));
          for (const result of split(profiles, { maxLoss }).pools) {
            if (!result.ok) throw new Error("must plan");
            for (const { nodeClass } of result.plan.classes) {
              const offered = own.get(nodeClass.nodes[0] ?? "") ?? 0;
              expect(offered - result.plan.guest.features.length).toBeLessThanOrEqual(maxLoss);
            }
          }
        },
      ),
      { numRuns: 40 },
    );
  });

  test.skipIf(!hasSharedData)("vendors are kept apart, whatever the number asked for", () => {
    const result = split(
      x86Fingerprints().filter(({ name }) => name.endsWith("6.1")),
      { pools: 1 },
    );
    expect(names(result)).toHaveLength(2);
  });
});

describe("the same model with different bits", () => {
  test.each([
    [{ kernel: "6.1.1", microcode: "0x1" }, { kernel: "6.8.1", microcode: "0x1" }, "kernel"],
    [{ kernel: "6.1.1", microcode: "0x1" }, { kernel: "6.1.1", microcode: "0x2" }, "microcode"],
    [{ kernel: "6.1.1", microcode: "0x1" }, { kernel: "6.1.1", microcode: "0x1" }, "firmware"],
    [{}, {}, "unknown"],
  ])("%j and %j: %s", (a, b, cause) => {
    const twin = { ...model("ice-lake-sp", ["ERMS", "FSRM"], b), name: "twin" };
    const { anomalies, warnings } = planned([model("ice-lake-sp", [], a), twin]);
    expect(anomalies).toMatchObject([{ model: "6/106/6", fields: ["ERMS", "FSRM"], cause }]);
    expect(warnings.some((text) => text.includes("one model (6/106/6)"))).toBe(true);
  });

  test("different models are no anomaly", () => {
    expect(planned(generations).anomalies).toEqual([]);
  });
});

describe.skipIf(!hasSharedData)("built-in templates on a planned pool", () => {
  test("T2CL is applicable and insecure in one direction, T2S is refused on Ice Lake", () => {
    const plan = planned([fingerprint("INTEL_CASCADELAKE_6.1"), fingerprint("INTEL_ICELAKE_6.1")]);
    const t2cl = assessStaticTemplate(plan, "T2CL");
    expect(t2cl.refusedOn).toEqual([]);
    expect(t2cl.losesMore).toHaveLength(18);
    expect(t2cl.unsound).toMatchObject([
      { from: expect.stringMatching(/^ice/), verdict: "insecure", because: ["PSFD", "RRSBA"] },
    ]);
    expect(assessStaticTemplate(plan, "T2S").refusedOn).toEqual([expect.stringMatching(/^ice/)]);
    expect(assessStaticTemplate(plan, "T2A").refusedOn).toHaveLength(2);
    expect(() => assessStaticTemplate(plan, "T9")).toThrow(/no built-in template/);
  });
});
