import { describe, expect, test } from "vitest";
import { requireCatalogueProfile } from "../src/catalogue/index.ts";
import { ALL_LINES } from "../src/tables/releases.ts";
import { buildStaticTemplate } from "../src/firecracker/static-build.ts";
import { staticTemplateRow } from "../src/firecracker/static-templates.ts";
import { lintTemplate } from "../src/lint/lint.ts";
import { parseIdentity } from "../src/plan/identity.ts";
import { planPool } from "../src/plan/pools.ts";
import type { NodeProfile } from "../src/profile/profile.ts";
import { BUGS } from "../src/tables/bugs.ts";
import { fieldByName } from "../src/tables/lookup.ts";
import { encodeSignature, MODELS } from "../src/tables/models.ts";
import { judge } from "../src/verdict/judge.ts";
import { modelCpu } from "./arbitrary.ts";
import { contractOf, profile, promised } from "./verdict-support.ts";

const HOST = { host: { kernel: "6.1.100" }, firecracker: ["1.14.1"], estimate: false };
const BROADWELL_EP = "6/79/1";
const ROME = "23/49/0";

function amd(id: string): NodeProfile {
  return { ...requireCatalogueProfile(`${id}@6.1`), ...HOST, name: id };
}

/** The node as it would be with another model, all other bits the same. */
function as(identity: string, node: NodeProfile): NodeProfile {
  const [family = 0, model = 0, stepping = 0] = identity.split("/").map(Number);
  const eax = encodeSignature({ family, model, stepping });
  const cpuid = node.cpu.cpuid.map((e) => (e.leaf === 1 ? { ...e, eax } : e));
  return { ...node, name: `${node.name} as ${identity}`, cpu: { ...node.cpu, cpuid } };
}

const CACHES = { caches: [], brand: "" };
const skylake = profile("skylake-sp", { cpu: modelCpu("skylake-sp", ["RSBA"], CACHES) });
const withRsba = profile("skylake-sp");
const broadwell = as(BROADWELL_EP, skylake);

function reasons(from: NodeProfile, to: NodeProfile): string[] {
  const { verdict, findings } = judge(promised(from), to);
  const texts = findings.filter(({ severity }) => severity !== "note");
  return [verdict, ...texts.map(({ rule, consequence }) => `${rule}: ${consequence}`)];
}

describe("a guest of an older model", () => {
  test("Broadwell-EP on Skylake-SP leaves RETBleed, unless RSBA tells it", () => {
    expect(reasons(broadwell, skylake)).toEqual([
      "insecure",
      "identity: On the model that the guest is shown, kernels do not mitigate RETBleed.",
    ]);
    expect(reasons(as(BROADWELL_EP, withRsba), withRsba)).toEqual(["compatible"]);
  });

  test("RSBA in an MSR that the guest is not shown tells it nothing", () => {
    const blind = as(BROADWELL_EP, withRsba);
    const cpuid = blind.cpu.cpuid.map((e) =>
      e.leaf === 7 && e.subleaf === 0 ? { ...e, edx: (e.edx & ~(1 << 29)) >>> 0 } : e,
    );
    expect(reasons({ ...blind, cpu: { ...blind.cpu, cpuid } }, withRsba)[1]).toContain("RETBleed");
  });

  test("with enhanced IBRS a guest of Haswell-EP is safe on Cascade and Ice Lake", () => {
    for (const id of ["cascade-lake", "ice-lake-sp"] as const) {
      expect(reasons(as("6/63/2", profile(id)), profile(id))).toEqual(["compatible"]);
    }
  });

  test("Ivy Bridge-EP is not known for MMIO stale data, which Ice Lake has", () => {
    const icx = profile("ice-lake-sp");
    expect(reasons(as("6/62/4", icx), icx)[1]).toContain("MMIO stale data");
  });

  test("Rome on Milan and Genoa returns as family 17h does, which does not help there", () => {
    for (const id of ["milan", "genoa"]) {
      expect(reasons(as(ROME, amd(id)), amd(id))).toEqual([
        "insecure",
        "identity: On the model that the guest is shown, kernels do not mitigate return stack " +
          "overflow of family 19h.",
      ]);
    }
    expect(reasons(as("25/1/1", amd("genoa")), amd("genoa"))).toEqual(["compatible"]);
  });

  test("a node that says it is immune needs no mitigation", () => {
    const immune = (node: NodeProfile): NodeProfile => {
      const cpuid = node.cpu.cpuid.map((e) =>
        e.leaf === 0x8000_0021 ? { ...e, eax: (e.eax | (1 << 29)) >>> 0 } : e,
      );
      return { ...node, cpu: { ...node.cpu, cpuid } };
    };
    const genoa = amd("genoa");
    expect(judge(promised(as(ROME, genoa)), immune(genoa)).verdict).toBe("compatible");
  });

  test("T2 shows Haswell-EP: insecure on a Skylake-SP without RSBA, and lint says so", () => {
    const row = staticTemplateRow("T2");
    if (row === undefined) throw new Error("T2 is known");
    const template = buildStaticTemplate(row, "1.14");
    const contract = contractOf(skylake, template, "1.14.1");
    if (contract === undefined) throw new Error("boots");
    expect(judge(contract, skylake).verdict).toBe("insecure");
    const found = (node: NodeProfile) =>
      lintTemplate({ template, builtIn: undefined }, node, ["1.14"])
        ?.filter(({ rule }) => rule === "identity")
        .map(({ severity }) => severity);
    expect([found(skylake), found(withRsba)]).toEqual([["error"], ["note"]]);
  });
});

describe("a plan of models with other bugs", () => {
  const attempt = (nodes: readonly NodeProfile[], identity = "oldest", accept?: "insecure") =>
    planPool(nodes, { identity: parseIdentity(identity), firecracker: ALL_LINES, accept });
  const plan = (...args: Parameters<typeof attempt>) => {
    const result = attempt(...args);
    if (!result.ok) throw new Error(result.refusals.map(({ message }) => message).join("\n"));
    return result.plan;
  };

  test("Broadwell-EP and Skylake-SP: the older model, and RSBA; all pairs are compatible", () => {
    const nodes = [broadwell, skylake];
    const { identity, warnings, classes, united } = plan(nodes);
    expect(identity).toMatchObject({ model: 0x4f });
    expect(identity?.reason).toContain("RSBA tells them what Skylake-SP needs");
    expect(warnings.filter((text) => text.includes("mitigate"))).toEqual([]);
    expect(united.find(({ name }) => name === "RSBA")?.addedTo).toHaveLength(2);
    for (const from of nodes) {
      const own = classes.find((c) => c.nodeClass.nodes.includes(from.name));
      const contract = contractOf(from, own?.template, "1.14.1");
      if (contract === undefined) throw new Error("boots");
      expect(nodes.map((to) => judge(contract, to).verdict)).toEqual(["compatible", "compatible"]);
    }
  });

  test("Rome and Milan have no plan, because no bit tells, unless the operator accepts it", () => {
    const pool = [amd("rome"), amd("milan")];
    const result = attempt(pool);
    if (result.ok) throw new Error("must be refused");
    const [refusal] = result.refusals;
    expect(refusal?.message).toMatch(/on milan-\S+ is insecure: family\/model\/stepping \(CPUID/);
    expect(refusal?.message).toContain("return stack overflow of family 19h");
    expect(refusal?.nodes).toEqual([pool[1]?.name]);
    expect(refusal?.hint).toMatch(/--split 2.*--without CLASS.*--accept insecure/);
    const { identity, moves } = plan(pool, "oldest", "insecure");
    expect(identity).toMatchObject({ family: 23 });
    expect(moves.accepted).toMatchObject({ verdict: "insecure", reasons: [{ rule: "identity" }] });
  });

  test("a chosen model that is newer than a member is refused, on one node too", () => {
    const result = attempt([profile("cascade-lake")], "6/106/6");
    if (result.ok) throw new Error("must be refused");
    expect(result.refusals[0]?.message).toContain("believes its CPU is a newer model");
    expect(result.refusals[0]?.hint).not.toContain("--split");
  });

  test("Cascade Lake, Ice Lake and Sapphire Rapids need nothing more", () => {
    const nodes = (["cascade-lake", "ice-lake-sp", "sapphire-rapids"] as const).map((id) =>
      profile(id),
    );
    const { identity, warnings } = plan(nodes);
    expect(identity).toMatchObject({ model: 0x55, stepping: 7 });
    expect(identity?.reason).not.toContain("RSBA");
    expect(warnings).toEqual([]);
  });
});

test("every bug is some model's, and the bits it names have rows", () => {
  const used = new Set(MODELS.flatMap(({ bugs }) => bugs));
  expect([...used].toSorted()).toEqual(Object.keys(BUGS).toSorted());
  const names = Object.values(BUGS).flatMap((bug) => [...bug.coveredBy, ...bug.absentWith.flat()]);
  expect(names.filter((name) => fieldByName(name) === undefined)).toEqual([]);
});
