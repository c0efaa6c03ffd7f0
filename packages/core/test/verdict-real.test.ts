import { describe, expect, test } from "vitest";
import type { CpuContract } from "../src/contract/contract.ts";
import { contractToJson } from "../src/contract/file.ts";
import { armBuiltInTemplate } from "../src/firecracker/built-in.ts";
import { contractFields } from "../src/inspect/state.ts";
import { prettyJson } from "../src/json/pretty.ts";
import { lintTemplate } from "../src/lint/lint.ts";
import { planPool } from "../src/plan/pools.ts";
import type { NodeProfile } from "../src/profile/profile.ts";
import { readDocument } from "../src/read/document.ts";
import { fieldByName } from "../src/tables/lookup.ts";
import { normalizeTemplate } from "../src/template/format.ts";
import { EMPTY_TEMPLATE, type CpuTemplate } from "../src/template/template.ts";
import { matrixEntries } from "../src/verdict/entries.ts";
import { judge, judgePrepared } from "../src/verdict/judge.ts";
import { prepare } from "../src/verdict/prepare.ts";
import { certify, disagreements, judgeMatrix, profileDigest } from "../src/verdict/matrix.ts";
import { RULES } from "../src/verdict/rules.ts";
import { naiveGuest } from "./naive.ts";
import { naiveUnsafe } from "./naive-verdict.ts";
import { fingerprint, hasSharedData, sharedTemplate, x86Fingerprints } from "./shared-data.ts";
import { contractOf } from "./verdict-support.ts";

describe.skipIf(!hasSharedData)("real pairs", () => {
  const templates = ["none", "T2CL", "T2S", "SPR_TO_T2_6.1"];
  const shape = (name: string) => (name === "none" ? EMPTY_TEMPLATE : sharedTemplate(name));

  test("no pair said to be compatible is unsafe to the second opinion", () => {
    const nodes = x86Fingerprints();
    const count = { judged: 0, compatible: 0 };
    for (const name of templates) {
      for (const from of nodes) {
        const contract = contractOf(from, shape(name));
        if (contract === undefined) continue;
        const guest = naiveGuest({ ...from, cpu: { ...from.cpu, ...contract } });
        for (const to of nodes) {
          count.judged++;
          if (judge(contract, to).verdict !== "compatible") continue;
          count.compatible++;
          expect([from.name, to.name, naiveUnsafe(guest, naiveGuest(to))]).toEqual([
            from.name,
            to.name,
            [],
          ]);
        }
      }
    }
    expect(count.compatible).toBeGreaterThan(8);
    expect(count.judged).toBeGreaterThan(80);
  });

  test("with a plan, all pairs on one kernel are compatible", () => {
    const pools = [
      ["INTEL_CASCADELAKE_6.1", "INTEL_ICELAKE_6.1", "INTEL_SAPPHIRE_RAPIDS_6.1"],
      ["AMD_MILAN_6.1", "AMD_GENOA_6.1"],
    ];
    for (const pool of pools) {
      const nodes = pool.map(fingerprint);
      const planned = planPool(nodes);
      if (!planned.ok) throw new Error("must plan");
      for (const from of nodes) {
        const own = planned.plan.classes.find((c) => c.nodeClass.nodes.includes(from.name));
        const contract = contractOf(from, own?.template);
        if (contract === undefined) throw new Error("must boot");
        for (const to of nodes) {
          const { verdict, findings } = judge(contract, to);
          const reasons = findings.filter(({ severity }) => severity !== "note");
          expect([from.name, to.name, verdict, reasons]).toEqual([
            from.name,
            to.name,
            "compatible",
            [],
          ]);
        }
      }
    }
  });

  test("T2CL on Cascade and Ice Lake: features equal, RRSBA not, linear bits differ", () => {
    const [cascade, ice] = [fingerprint("INTEL_CASCADELAKE_6.1"), fingerprint("INTEL_ICELAKE_6.1")];
    const t2cl = sharedTemplate("T2CL");
    const [up, down] = [contractOf(cascade, t2cl), contractOf(ice, t2cl)];
    if (up === undefined || down === undefined) throw new Error("both boot");
    expect(judge(up, ice).verdict).toBe("compatible");
    const back = judge(down, cascade);
    expect(back.verdict).toBe("insecure");
    const reasons = back.findings.filter(({ severity }) => severity === "insecure");
    // PSFD: T2CL does not touch leaf 7, subleaf 2, which Cascade Lake does not have.
    expect(reasons.map(({ name }) => name)).toEqual(["PSFD", "RRSBA"]);
    expect(back.findings.map(({ name }) => name)).toContain("LINEAR_ADDRESS_BITS");
  });

  test("taking any promised feature from the target of a compatible pair changes the verdict", () => {
    const nodes = x86Fingerprints();
    const survivors = new Map<string, number>();
    const count = { flipped: 0, changed: 0 };
    for (const from of nodes) {
      const contract = contractOf(from);
      if (contract === undefined) continue;
      for (const to of nodes) {
        if (judge(contract, to).verdict !== "compatible") continue;
        for (const mutant of mutants(contract, to)) {
          count.flipped++;
          const bench = prepare(contract.vendor ?? "intel", [contract], [mutant.profile]);
          const [guest, target] = [bench.contracts[0], bench.nodes[0]];
          if (guest === undefined || target === undefined) throw new Error("prepared");
          if (judgePrepared(bench, guest, target).verdict !== "compatible") count.changed++;
          else survivors.set(mutant.name, (survivors.get(mutant.name) ?? 0) + 1);
        }
      }
    }
    // What is left are promises of speed, what no guest can use, and what other bits back.
    const others = [...survivors.keys()].filter((name) => {
      const row = fieldByName(name);
      const isHarmless = row?.loss === "slower" || row?.loss === "none";
      return !isHarmless && row?.backedBy.length === 0;
    });
    expect(others).toEqual([]);
    process.stderr.write(
      `mutation: ${count.changed} of ${count.flipped} flips change the verdict; ` +
        `not: ${[...survivors.keys()].join(", ")} (hints)\n`,
    );
    expect(count.flipped).toBeGreaterThan(800);
    expect(count.changed / count.flipped).toBeGreaterThan(0.9);
  });

  test("a certificate is proven again, and a forged one is not", () => {
    const nodes = x86Fingerprints();
    const entries = matrixEntries(nodes, (from) => {
      const contract = contractOf(from);
      if (contract === undefined) throw new Error("boots");
      return contract;
    });
    const inputs = nodes.map((n) => ({ file: n.name, name: n.name, digest: profileDigest(n) }));
    const make = () => certify(inputs, {}, undefined, entries, judgeMatrix(entries));
    const certificate = make();
    expect(certificate.pairs).toHaveLength(entries.length ** 2);
    expect(disagreements(certificate, make())).toEqual([]);
    const forged = {
      ...certificate,
      pairs: certificate.pairs.map((pair) => ({ ...pair, verdict: "compatible" as const })),
    };
    expect(disagreements(forged, make()).length).toBeGreaterThan(0);
    expect(disagreements({ ...certificate, rules: "0" }, make())[0]).toContain("rules 0");
  });
});

interface Mutant {
  readonly name: string;
  readonly profile: NodeProfile;
}

/** The node with one feature less, for every feature that the contract promises. */
function mutants(contract: CpuContract, to: NodeProfile): Mutant[] {
  const result: Mutant[] = [];
  const promisedFeature = (name: string) => {
    const field = fieldByName(name);
    return field?.kind === "feature" ? field : undefined;
  };
  for (const { address, name } of featuresOf(contract)) {
    const field = promisedFeature(name);
    if (field === undefined || address === "") continue;
    if ("addr" in field) {
      const msrs = to.cpu.msrs.map((m) =>
        m.addr === field.addr ? { ...m, value: m.value & ~(1n << BigInt(field.lo)) } : m,
      );
      result.push({ name, profile: { ...to, cpu: { ...to.cpu, msrs } } });
      continue;
    }
    const cpuid = to.cpu.cpuid.map((e) =>
      e.leaf === field.leaf && e.subleaf === (field.subleaf ?? 0)
        ? { ...e, [field.register]: (e[field.register] & ~(1 << field.lo)) >>> 0 }
        : e,
    );
    result.push({ name, profile: { ...to, cpu: { ...to.cpu, cpuid } } });
  }
  return result;
}

function featuresOf(contract: CpuContract) {
  return (contractFields(contract) ?? []).filter(({ kind }) => kind === "feature");
}

describe.skipIf(!hasSharedData)("aarch64", () => {
  const names = ["ARM_NEOVERSE_N1_6.1", "ARM_NEOVERSE_V1_6.1"] as const;
  const load = () => names.map(fingerprint);

  test("V1 promises what N1 does not have; each honours its own", () => {
    const [n1, v1] = load();
    if (n1 === undefined || v1 === undefined) throw new Error("two fingerprints");
    const [small, big] = [contractOf(n1), contractOf(v1)];
    if (small === undefined || big === undefined) throw new Error("both boot");
    expect(judge(small, n1).verdict).toBe("compatible");
    expect(judge(big, v1).verdict).toBe("compatible");
    const { verdict, findings } = judge(big, n1);
    expect(verdict).toBe("incompatible");
    expect(findings).toContainEqual(
      expect.objectContaining({ rule: "arm/lower", name: "SHA3", promised: "0x1", offered: "0x0" }),
    );
    expect(findings.filter(({ rule }) => !(rule in RULES))).toEqual([]);
  });

  test("V1N1 is what Firecracker's is, and its lint finds registers and values", () => {
    const [n1, v1] = load();
    const template = armBuiltInTemplate("V1N1");
    if (n1 === undefined || v1 === undefined || template === undefined) throw new Error("known");
    expect(normalizeTemplate(template)).toEqual(normalizeTemplate(sharedTemplate("V1N1")));
    expect(lintTemplate({ template, builtIn: undefined }, v1, ["1.16"])).toEqual([]);
    const [first, ...rest] = template.regModifiers;
    if (first === undefined) throw new Error("has registers");
    const wrong: CpuTemplate = {
      ...template,
      regModifiers: [
        { addr: 0x6030_0000_0013_ffffn, mask: 1n, value: 0n },
        { ...first, mask: 0xfn << 44n, value: 9n << 44n },
        ...rest,
      ],
    };
    const found = lintTemplate({ template: wrong, builtIn: undefined }, n1, ["1.16"]);
    expect(found?.map(({ rule }) => rule)).toEqual(["missing-entry", "unbacked"]);
  });

  test("a contract of 128-bit registers survives being written and read", () => {
    const [, v1] = load();
    if (v1 === undefined) throw new Error("one fingerprint");
    const contract = contractOf(v1);
    if (contract === undefined) throw new Error("boots");
    const registers = contract.registers.map((r, i) => (i === 0 ? { ...r, value: 2n ** 127n } : r));
    const wide = { ...contract, registers };
    const document = readDocument(JSON.parse(prettyJson(contractToJson(wide))), "x");
    expect(document).toEqual({ kind: "contract", contract: wide });
  });
});
