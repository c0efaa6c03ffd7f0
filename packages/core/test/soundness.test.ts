/** Ways in which a verdict could be talked into a yes, each held shut. */
import { describe, expect, test } from "vitest";
import type { CpuContract } from "../src/contract/contract.ts";
import { contractToJson } from "../src/contract/file.ts";
import { predictContract } from "../src/contract/make.ts";
import { catalogueProfile } from "../src/catalogue/index.ts";
import type { CpuidEntry } from "../src/cpuid.ts";
import { lintTemplate } from "../src/lint/lint.ts";
import { planPool } from "../src/plan/pools.ts";
import { parseFeatures } from "../src/plan/shape.ts";
import { ALL_LINES } from "../src/tables/releases.ts";
import type { NodeProfile } from "../src/profile/profile.ts";
import { readContract } from "../src/read/contract.ts";
import { EMPTY_TEMPLATE, type CpuTemplate } from "../src/template/template.ts";
import { judge } from "../src/verdict/judge.ts";
import { profile, promised } from "./verdict-support.ts";

const icx = profile("ice-lake-sp");

/** Hides bit 29 of leaf 7: without it no guest reads IA32_ARCH_CAPABILITIES. */
const HIDES_ARCH_CAPABILITIES: CpuTemplate = {
  ...EMPTY_TEMPLATE,
  cpuidModifiers: [
    {
      leaf: 7,
      subleaf: 0,
      flags: 1,
      modifiers: [{ register: "edx", mask: 1 << 29, value: 0 }],
    },
  ],
};

function severities(template: CpuTemplate, rule: string): string[] {
  const findings = lintTemplate({ template, builtIn: undefined }, icx, ["1.14"]) ?? [];
  return findings.filter((f) => f.rule === rule).map(({ severity }) => severity);
}

test("a guest that cannot read IA32_ARCH_CAPABILITIES knows of no weakness in it", () => {
  expect(judge(promised(icx), icx).verdict).toBe("compatible");
  const { verdict, findings } = judge(promised(icx, HIDES_ARCH_CAPABILITIES), icx);
  expect(verdict).toBe("insecure");
  expect(findings.map(({ name }) => name)).toContain("FB_CLEAR");
  expect(severities(HIDES_ARCH_CAPABILITIES, "hidden-weakness")).toContain("error");
  const forbid = parseFeatures(["ARCH_CAPABILITIES"], "--forbid");
  const planned = planPool([icx], { identity: "oldest", firecracker: ALL_LINES, forbid });
  expect(planned.ok ? [] : planned.refusals.map(({ code }) => code)).toContain("unreachable");
});

test("an entry that answers for every subleaf is an error, and no contract is built on it", () => {
  const template: CpuTemplate = {
    ...EMPTY_TEMPLATE,
    cpuidModifiers: [
      { leaf: 7, subleaf: 0, flags: 0, modifiers: [{ register: "ebx", mask: 1, value: 0 }] },
    ],
  };
  expect(severities(template, "flags")).toEqual(["error"]);
  expect(judge(promised(icx, template), icx).verdict).toBe("unknown");
});

describe("MSRs that a snapshot restores", () => {
  const withMsr = (node: NodeProfile, addr: number): NodeProfile => ({
    ...node,
    cpu: { ...node.cpu, msrs: [...node.cpu.msrs, { addr, value: 0n }] },
  });

  test("one that the template names is saved, whatever it is", () => {
    const from = withMsr(icx, 0xe1);
    const msrModifiers = [{ addr: 0xe1, mask: 1n, value: 0n }];
    expect(judge(promised(from), icx).verdict).toBe("compatible");
    const contract = promised(from, { ...EMPTY_TEMPLATE, msrModifiers });
    expect(judge(contract, icx).verdict).toBe("unknown");
    expect(judge(contract, from).verdict).toBe("compatible");
    expect(judge({ ...promised(from), templateMsrs: undefined }, icx).verdict).toBe("unknown");
  });

  test("one of Firecracker's ranges is saved, whatever the guest's CPUID says of it", () => {
    expect(judge(promised(withMsr(icx, 0x122)), icx).verdict).toBe("unknown");
  });
});

test("what vcpu_features give an aarch64 guest is not known", () => {
  const estimate = catalogueProfile("graviton3");
  if (estimate === undefined) throw new Error("is in the catalogue");
  const node = { ...estimate, estimate: false, firecracker: ["1.14.1"] };
  const shaped = (template: CpuTemplate) => {
    const options = { firecracker: "1.14.1", vcpus: 1, smt: false, template };
    const result = predictContract(node, options);
    return result.ok ? judge(result.contract, node).verdict : undefined;
  };
  expect(shaped(EMPTY_TEMPLATE)).toBe("compatible");
  const vcpuFeatures = [{ index: 0, mask: 16, value: 16 }];
  expect(shaped({ ...EMPTY_TEMPLATE, vcpuFeatures })).toBe("unknown");
});

test.each([
  ["1.16.0-dev", "1.16.1", "unknown"],
  ["1.16.1", "1.16.0-dev", "unknown"],
  ["1.16.0-dev", "1.16.0-dev", "unknown"],
  ["1.14.1_431f1fc", "v1.14.1", "compatible"],
])("a snapshot of Firecracker %s on %s: %s", (from, to, verdict) => {
  const result = predictContract(icx, { firecracker: from, vcpus: 1, smt: false });
  if (!result.ok) throw new Error("boots");
  expect(judge(result.contract, { ...icx, firecracker: [to] }).verdict).toBe(verdict);
});

test.each([
  [undefined, undefined, undefined, "compatible"],
  [undefined, 2_500_000, false, "unknown"],
  [2_500_000, undefined, undefined, "unknown"],
  [undefined, 2_500_000, true, "compatible"],
  [2_500_000, 2_500_100, false, "compatible"],
  [2_500_000, 2_600_000, false, "incompatible"],
])("TSC %s kHz on a node of %s kHz, scaling %s: %s", (promisedKhz, khz, scaling, verdict) => {
  const tsc =
    khz === undefined ? {} : { tsc: { khz, ...(scaling === undefined ? {} : { scaling }) } };
  const contract: CpuContract = { ...promised(icx), tscKhz: promisedKhz };
  expect(judge(contract, { ...icx, ...tsc }).verdict).toBe(verdict);
});

describe("a contract's own content", () => {
  const without = (drop: (entry: CpuidEntry) => boolean): CpuContract => {
    const contract = promised(icx);
    return { ...contract, cpuid: contract.cpuid.filter((entry) => !drop(entry)) };
  };

  test("an absent leaf is no promise of less", () => {
    expect(
      judge(
        without(({ leaf }) => leaf === 7),
        icx,
      ).verdict,
    ).not.toBe("compatible");
    expect(
      judge(
        without(({ leaf }) => leaf === 0x8000_0008),
        icx,
      ).verdict,
    ).toBe("unknown");
  });

  test.each([
    ["vcpus", { vcpus: 9999 }, "vcpus: must be 1 to 32"],
    ["TSC", { tscKhz: -1 }, "tscKhz: must be a frequency"],
    ["vendor", { vendor: "amd" } as const, "vendor: does not match CPUID leaf 0"],
    ["format", { snapshotFormat: "6.0.0" }, "snapshotFormat: is not the format that Firecracker"],
  ])("%s that cannot be is refused although the digest fits", (_, change, message) => {
    const forged: CpuContract = { ...promised(icx), ...change };
    const json = JSON.parse(JSON.stringify(contractToJson(forged))) as Record<string, unknown>;
    expect(() => readContract(json)).toThrow(message);
  });
});

test("a probed node without a trial of templates is not relied on", () => {
  const kvm = { apiVersion: 12, capabilities: new Map(), featureMsrs: [], unreadableMsrs: [] };
  const untried: NodeProfile = { ...icx, kvm };
  expect(judge(promised(icx), untried).findings.map(({ rule }) => rule)).toContain("enforced");
  expect(judge(promised(untried), icx).verdict).toBe("unknown");
  const planned = planPool([untried]);
  expect(planned.ok ? [] : planned.refusals.map(({ code }) => code)).toEqual(["unenforced"]);
});
