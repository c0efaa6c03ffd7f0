import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { contractToJson } from "../src/contract/file.ts";
import type { CpuidEntry } from "../src/cpuid.ts";
import { prettyJson } from "../src/json/pretty.ts";
import type { NodeProfile } from "../src/profile/profile.ts";
import { readDocument } from "../src/read/document.ts";
import { fieldByName } from "../src/tables/lookup.ts";
import { EMPTY_TEMPLATE } from "../src/template/template.ts";
import { verdictOf, type Finding } from "../src/verdict/finding.ts";
import { judge } from "../src/verdict/judge.ts";
import { RULES } from "../src/verdict/rules.ts";
import { node, nodeCpu } from "./arbitrary.ts";
import { naiveGuest } from "./naive.ts";
import { naiveUnsafe } from "./naive-verdict.ts";
import { profile, promised, rules } from "./verdict-support.ts";

const clx = profile("cascade-lake");
const icx = profile("ice-lake-sp");

describe("each rule", () => {
  const contract = promised(icx);

  test("a node honours its own snapshots", () => {
    expect(judge(contract, icx).verdict).toBe("compatible");
  });

  test("feature: a promised feature that is missing kills programs", () => {
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

  test("weakness: the node announces what the guest was not told", () => {
    const unaware = promised(without("FB_CLEAR"));
    expect(judge(unaware, icx)).toMatchObject({ verdict: "insecure" });
  });

  test("remedy: VERW clears for the guest, or the node is immune", () => {
    const lost = judge(contract, without("FB_CLEAR"));
    expect([lost.verdict, rules(lost.findings, "insecure")]).toEqual(["insecure", ["remedy"]]);
    const immune = withMsrBits(without("FB_CLEAR"), [13, 14, 15]);
    const { verdict, findings } = judge(contract, immune);
    expect(verdict).toBe("compatible");
    expect(findings.find(({ name }) => name === "FB_CLEAR")?.consequence).toBe(
      "The node has SBDR_SSDP_NO, FBSDP_NO and PSDP_NO, or MD_CLEAR and FLUSH_L1D instead.",
    );
    const exposed = without("FB_CLEAR", without("FBSDP_NO"));
    expect(judge(contract, withMsrBits(exposed, [13, 15])).verdict).toBe("insecure");
  });

  test("remedy: a node that is immune need not tell", () => {
    const unaware = promised(without("FB_CLEAR"));
    const immune = withMsrBits(icx, [13, 14, 15]);
    expect(judge(unaware, immune).verdict).toBe("compatible");
  });

  function withMsrBits(from: NodeProfile, bits: readonly number[]): NodeProfile {
    const mask = bits.reduce((all, bit) => all | (1n << BigInt(bit)), 0n);
    const msrs = from.cpu.msrs.map((m) => (m.addr === 0x10a ? { ...m, value: m.value | mask } : m));
    return { ...from, cpu: { ...from.cpu, msrs } };
  }

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

  test("reserved: a bit that only the guest was shown is never compatible", () => {
    const odd = changed(0x7, 1, { ebx: 1 << 30 });
    expect(judge(promised(odd), icx).verdict).toBe("unknown");
    expect(judge(promised(odd), odd).verdict).toBe("compatible");
    const seen = judge(contract, odd);
    expect([seen.verdict, rules(seen.findings, "note")]).toEqual([
      "compatible",
      expect.arrayContaining(["reserved"]),
    ]);
  });

  test("reserved: outside feature words a bit of the node alone is unknown", () => {
    const odd = changed(0x8000_0008, 0, { eax: 0x0100_392e });
    expect(judge(contract, odd).verdict).toBe("unknown");
  });

  test("identity: a guest that was shown a newer CPU is insecure, an older one is fine", () => {
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

  test("complete: gaps on either side make the verdict unknown", () => {
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
  expect(() => readDocument(JSON.parse(forged), "x")).toThrow(/was changed after it was written/);
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
