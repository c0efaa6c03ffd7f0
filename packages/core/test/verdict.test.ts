import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { INTEL_MODELS, intelGuestCpu } from "../src/catalogue/intel.ts";
import type { CpuContract } from "../src/contract/contract.ts";
import { contractToJson } from "../src/contract/file.ts";
import { predictContract } from "../src/contract/make.ts";
import type { CpuidEntry } from "../src/cpuid.ts";
import { decode } from "../src/inspect/decode.ts";
import { prettyJson } from "../src/json/pretty.ts";
import { planPool } from "../src/plan/pools.ts";
import type { NodeProfile } from "../src/profile/profile.ts";
import { readDocument } from "../src/read/document.ts";
import { fieldByName } from "../src/tables/lookup.ts";
import { EMPTY_TEMPLATE, type CpuTemplate } from "../src/template/template.ts";
import { verdictOf, type Finding } from "../src/verdict/finding.ts";
import { judge, judgePrepared, prepare } from "../src/verdict/judge.ts";
import { certify, disagreements, judgeMatrix, profileDigest } from "../src/verdict/matrix.ts";
import { matrixEntries } from "../src/verdict/entries.ts";
import { RULES } from "../src/verdict/rules.ts";
import { node, nodeCpu } from "./arbitrary.ts";
import { naiveGuest, naiveUnsafe } from "./naive.ts";
import { fingerprint, hasSharedData, sharedTemplate, x86Fingerprints } from "./shared-data.ts";

const CACHES = { caches: [], brand: "" };

function profile(id: keyof typeof INTEL_MODELS, changes: Partial<NodeProfile> = {}): NodeProfile {
  return {
    ...node(id, intelGuestCpu(INTEL_MODELS[id], CACHES)),
    host: { kernel: "6.1.100" },
    firecracker: ["1.14.1"],
    ...changes,
  };
}

function contractOf(
  from: NodeProfile,
  template: CpuTemplate = EMPTY_TEMPLATE,
  firecracker = "1.16.0",
): CpuContract | undefined {
  const result = predictContract(from, { firecracker, vcpus: 1, smt: false, template });
  return result.ok ? result.contract : undefined;
}

function promised(from: NodeProfile, template?: CpuTemplate): CpuContract {
  const contract = contractOf(from, template, "1.14.1");
  if (contract === undefined) throw new Error(`${from.name} cannot boot this guest`);
  return contract;
}

const clx = profile("cascade-lake");
const icx = profile("ice-lake-sp");

function rules(findings: readonly Finding[], severity: Finding["severity"]): string[] {
  return [...new Set(findings.filter((f) => f.severity === severity).map(({ rule }) => rule))];
}

describe("each rule", () => {
  const contract = promised(icx);

  test("a node honours its own snapshots", () => {
    expect(judge(contract, icx).verdict).toBe("compatible");
  });

  test("feature: what was promised and is missing kills programs", () => {
    const { verdict, findings } = judge(contract, clx);
    expect(verdict).toBe("incompatible");
    const vbmi2 = findings.find(({ name }) => name === "AVX512_VBMI2");
    expect(vbmi2).toMatchObject({ rule: "feature", promised: "1", offered: "0" });
    expect(vbmi2?.consequence).toContain("VPCOMPRESSB and die of SIGILL");
  });

  function without(name: string, from = icx): NodeProfile {
    const field = fieldByName(name);
    if (field === undefined) throw new Error(name);
    if ("addr" in field) {
      const msrs = from.cpu.msrs.map((m) =>
        m.addr === field.addr ? { ...m, value: m.value & ~(1n << BigInt(field.lo)) } : m,
      );
      return { ...from, cpu: { ...from.cpu, msrs } };
    }
    const cpuid = from.cpu.cpuid.map((e) =>
      e.leaf === field.leaf && e.subleaf === (field.subleaf ?? 0)
        ? { ...e, [field.register]: (e[field.register] & ~(1 << field.lo)) >>> 0 }
        : e,
    );
    return { ...from, cpu: { ...from.cpu, cpuid } };
  }

  test.each([
    ["LZCNT", "incompatible", "silent-change"],
    ["BMI1", "incompatible", "silent-change"],
    ["RDCL_NO", "insecure", "immunity"],
    ["PSFD", "insecure", "immunity"],
    ["KVM_PV_EOI", "incompatible", "paravirtual"],
    ["XCR0_PKRU", "incompatible", "xsave-state"],
    ["PCID", "incompatible", "feature"],
  ] as const)("%s missing is %s by the rule %s", (name, severity, rule) => {
    const { verdict, findings } = judge(contract, without(name));
    expect(verdict).toBe(severity);
    expect(rules(findings, severity)).toContain(rule);
  });

  test("hint: a promise of speed is no reason against", () => {
    const { verdict, findings } = judge(contract, without("FSRM"));
    expect(verdict).toBe("compatible");
    expect(rules(findings, "note")).toContain("hint");
  });

  test("weakness: what the node announces and the guest does not know", () => {
    const unaware = promised(without("FB_CLEAR"));
    expect(judge(unaware, icx)).toMatchObject({ verdict: "insecure" });
    expect(judge(contract, without("FB_CLEAR")).verdict).toBe("compatible");
  });

  function changed(leaf: number, subleaf: number, registers: Partial<CpuidEntry>): NodeProfile {
    const cpuid = icx.cpu.cpuid.map((e) =>
      e.leaf === leaf && e.subleaf === subleaf ? { ...e, ...registers } : e,
    );
    return { ...icx, cpu: { ...icx.cpu, cpuid } };
  }

  test("xsave-layout: PKRU elsewhere", () => {
    const { verdict, findings } = judge(contract, changed(0xd, 9, { ebx: 0x980 }));
    expect([verdict, rules(findings, "incompatible")]).toEqual(["incompatible", ["xsave-layout"]]);
  });

  test("address-width: fewer physical or linear bits", () => {
    const fewer = judge(contract, changed(0x8000_0008, 0, { eax: 0x392d }));
    expect(rules(fewer.findings, "incompatible")).toEqual(["address-width"]);
    const more = judge(contract, changed(0x8000_0008, 0, { eax: 0x3934 }));
    expect(more.verdict).toBe("compatible");
    expect(judge(contract, changed(0x8000_0008, 0, { eax: 0x302e })).verdict).toBe("incompatible");
  });

  test("reserved: an unknown bit on either side is never compatible", () => {
    const odd = changed(0x7, 1, { ebx: 1 << 30 });
    expect(judge(contract, odd).verdict).toBe("unknown");
    expect(judge(promised(odd), icx).verdict).toBe("unknown");
    expect(judge(promised(odd), odd).verdict).toBe("unknown");
  });

  test("identity: a guest that thinks its CPU is newer is insecure, older is fine", () => {
    const eax = clx.cpu.cpuid.find(({ leaf }) => leaf === 1)?.eax ?? 0;
    const old = changed(1, 0, { eax });
    expect(judge(contract, old)).toMatchObject({ verdict: "insecure" });
    expect(judge(promised(old), icx).verdict).toBe("compatible");
    expect(judge(promised(changed(1, 0, { eax: 0xf06f1 })), icx).verdict).toBe("unknown");
  });

  test.each([
    ["5.10.1", "6.1.1", "compatible"],
    ["6.1.1", "6.1.2", "compatible"],
    ["6.1.1", "6.18.0", "compatible"],
    ["5.10.1", "6.18.0", "unknown"],
    ["6.1.1", "5.10.1", "unknown"],
    ["6.8.1", "6.1.1", "unknown"],
    [undefined, "6.1.1", "unknown"],
  ])("kernel: %s to %s is %s", (from, to, verdict) => {
    const contractThere = promised({ ...icx, host: from === undefined ? {} : { kernel: from } });
    expect(judge(contractThere, { ...icx, host: { kernel: to } }).verdict).toBe(verdict);
  });

  test("snapshot-format: any installed Firecracker will do, or the one named", () => {
    expect(judge(contract, { ...icx, firecracker: ["1.10.1", "1.13.0"] }).verdict).toBe(
      "compatible",
    );
    expect(judge(contract, { ...icx, firecracker: ["1.12.0"] }).verdict).toBe("incompatible");
    expect(judge(contract, { ...icx, firecracker: [] }).verdict).toBe("unknown");
    expect(judge(contract, { ...icx, firecracker: ["custom"] }).verdict).toBe("unknown");
    expect(judge(contract, icx, "1.16.0").verdict).toBe("incompatible");
  });

  test.each([
    [2_600_000, undefined, "compatible"],
    [2_600_600, undefined, "compatible"],
    [2_601_000, undefined, "unknown"],
    [2_601_000, false, "incompatible"],
    [2_601_000, true, "compatible"],
  ])("tsc: %s kHz with scaling %s is %s", (khz, scaling, verdict) => {
    const from = promised({ ...icx, tsc: { khz: 2_600_000 } });
    const tsc = scaling === undefined ? { khz } : { khz, scaling };
    expect(judge(from, { ...icx, tsc }).verdict).toBe(verdict);
  });

  test("complete: gaps on either side leave it unknown", () => {
    const gap = { ...icx, incomplete: ["no /dev/kvm"] };
    expect(judge(contract, gap).verdict).toBe("unknown");
    expect(judge(promised(gap), icx).verdict).toBe("unknown");
  });

  test("msr: one that the snapshot restores and the node does not list", () => {
    const msrs = icx.cpu.msrs.filter(({ addr }) => addr !== 0x3a);
    const { verdict, findings } = judge(contract, { ...icx, cpu: { ...icx.cpu, msrs } });
    expect([verdict, rules(findings, "unknown")]).toEqual(["unknown", ["msr"]]);
  });

  test("kvm-capability: what a template asks for is not known", () => {
    const asking = promised(icx, { ...EMPTY_TEMPLATE, kvmCapabilities: ["171", "!56"] });
    expect(rules(judge(asking, icx).findings, "unknown")).toEqual(["kvm-capability"]);
  });

  test("architecture and vendor", () => {
    const arm = { ...icx, cpu: { ...icx.cpu, arch: "aarch64" as const } };
    expect(judge(contract, arm).findings[0]?.rule).toBe("architecture");
    const amd = changed(0, 0, { ebx: 0x68747541, edx: 0x69746e65, ecx: 0x444d4163 });
    expect(judge(contract, amd).findings[0]).toMatchObject({ rule: "vendor" });
    const other = changed(0, 0, { ebx: 1 });
    expect(judge(contract, other).verdict).toBe("unknown");
  });

  test("every finding names a documented rule", () => {
    const all = [judge(contract, clx), judge(promised(clx), icx)].flatMap((j) => j.findings);
    expect(all.filter(({ rule }) => !(rule in RULES))).toEqual([]);
  });

  test("the worst finding decides", () => {
    const of = (...severities: Finding["severity"][]) =>
      verdictOf(severities.map((severity) => ({ severity }) as Finding));
    expect(of()).toBe("compatible");
    expect(of("note")).toBe("compatible");
    expect(of("unknown", "note")).toBe("unknown");
    expect(of("unknown", "insecure")).toBe("insecure");
    expect(of("insecure", "incompatible", "unknown")).toBe("incompatible");
  });
});

test("a contract survives being written and read; a changed one is refused", () => {
  const contract = promised(icx);
  const text = prettyJson(contractToJson(contract));
  expect(readDocument(JSON.parse(text), "x")).toEqual({ kind: "contract", contract });
  const forged = text.replace('"vcpus": 1', '"vcpus": 2');
  expect(() => readDocument(JSON.parse(forged), "x")).toThrow(/was changed after it was made/);
});

test("random pairs: compatible only where the second opinion agrees", () => {
  let compatible = 0;
  fc.assert(
    fc.property(nodeCpu, nodeCpu, (a, b) => {
      const facts = { host: { kernel: "6.1.1" }, firecracker: ["1.14.1"] };
      const [from, to] = [
        { ...node("a", a), ...facts },
        { ...node("b", b), ...facts },
      ];
      const { verdict } = judge(promised(from), to);
      if (verdict !== "compatible") return;
      compatible++;
      expect(naiveUnsafe(naiveGuest(from), naiveGuest(to))).toEqual([]);
    }),
    { numRuns: 400 },
  );
  expect(compatible).toBeGreaterThan(0);
});

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
    // What is left are promises of speed: they are findings, not reasons.
    const reasons = new Set([...survivors.keys()].map((name) => fieldByName(name)?.loss));
    expect([...reasons]).toEqual(["slower"]);
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

function featuresOf({ vendor, cpuid, msrs }: CpuContract) {
  if (vendor === undefined) return [];
  const state = {
    vendor,
    cpuid: new Map(cpuid.map((e) => [`${e.leaf.toString(16)}.${e.subleaf.toString(16)}`, e])),
    msrs: new Map(msrs.map(({ addr, value }) => [addr, value])),
  };
  return decode(state).filter(({ kind }) => kind === "feature");
}
