/** Ways to a wrong `compatible` that were found by attack, each shut. */
import { describe, expect, test } from "vitest";
import { requireCatalogueProfile } from "../src/catalogue/index.ts";
import type { CpuContract } from "../src/contract/contract.ts";
import { predictContract } from "../src/contract/make.ts";
import type { NodeProfile } from "../src/profile/profile.ts";
import { readTemplateDocument } from "../src/read/template.ts";
import { fieldByName } from "../src/tables/lookup.ts";
import { ARM_FIELDS } from "../src/tables/arm/lookup.ts";
import { EMPTY_TEMPLATE, type CpuTemplate } from "../src/template/template.ts";
import { withClockOf } from "../src/verdict/clocks.ts";
import { matrixEntries } from "../src/verdict/entries.ts";
import { judge } from "../src/verdict/judge.ts";
import { armRegisters, triedNode } from "./arm-arbitrary.ts";

const SHAPE = { firecracker: "1.16.0", vcpus: 1, smt: false } as const;

function measured(id: string): NodeProfile {
  return { ...requireCatalogueProfile(id), estimate: false, firecracker: ["1.16.0"] };
}

function contractOf(profile: NodeProfile, template: CpuTemplate = EMPTY_TEMPLATE): CpuContract {
  const result = predictContract(profile, { ...SHAPE, template });
  if (!result.ok) throw new Error(`must boot: ${result.missing.join()}`);
  return result.contract;
}

test("a node is judged by its own clock, not by that of another beside it", () => {
  const at = (name: string, khz: number) => ({
    ...measured("cascade-lake@6.1"),
    name,
    tsc: { khz, scaling: false },
  });
  const contract = contractOf(at("s", 1_999_502));
  const nodes = [at("a", 2_000_000), at("b", 2_000_499)];
  const alone = nodes.map((node) => judge(contract, node, "1.16.0").verdict);
  expect(alone).toEqual(["compatible", "incompatible"]);
  const groups = matrixEntries(withClockOf(contract.tscKhz, nodes), () => contract);
  const together = groups.flatMap(({ nodes: names, profile }) =>
    names.map((name) => [name, judge(contract, profile, "1.16.0").verdict]),
  );
  expect(Object.fromEntries(together)).toEqual({ a: alone[0], b: alone[1] });
});

describe("an aarch64 template that KVM does not write", () => {
  const registers = armRegisters({ "ID_AA64ISAR0_EL1.CRC32": 1n });
  const crc32 = ARM_FIELDS.find(({ name }) => name === "CRC32");
  const modifier = {
    addr: `0x${(crc32?.id ?? 0n).toString(16)}`,
    bitmap: `0b0${"x".repeat(crc32?.lo ?? 0)}`,
  };
  const document = readTemplateDocument(JSON.stringify({ reg_modifiers: [modifier] }));
  if (document.kind !== "template" || crc32 === undefined) throw new Error("must be a template");
  const { template } = document;
  const answers = { id: crc32.id, hi: crc32.hi, lo: crc32.lo };

  test.each([
    ["is ignored", [{ ...answers, values: [], ignored: [0n] }]],
    ["is refused", []],
  ])("makes no promise where it %s", (_, taken) => {
    const node = triedNode("a", registers, taken);
    const contract = contractOf({ ...node, firecracker: ["1.16.0"] }, template);
    expect(contract.incomplete.join()).toContain("the template does not change CRC32");
    expect(judge(contract, node, "1.16.0").verdict).not.toBe("compatible");
  });
});

test("a contract excuses no circumstance, whatever it calls a false promise", () => {
  const profile = measured("cascade-lake@6.1");
  const contract = contractOf({ ...profile, tsc: { khz: 2_000_000, scaling: false } });
  const node = { ...profile, tsc: { khz: 3_000_000, scaling: false } };
  const names = judge(contract, node, "1.16.0").findings.map(({ name }) => name);
  const { verdict } = judge({ ...contract, unbacked: names }, node, "1.16.0");
  expect(verdict).toBe("incompatible");
});

test("a guest with VMX that is shown another model says nothing about nested guests", () => {
  const own = measured("cooper-lake@6.1");
  const vmx = fieldByName("VMX");
  if (vmx === undefined || !("register" in vmx)) throw new Error("VMX must have a row");
  const cpuid = own.cpu.cpuid.map((entry) =>
    entry.leaf === 1 ? { ...entry, ecx: (entry.ecx | (1 << vmx.lo)) >>> 0 } : entry,
  );
  const node = { ...own, cpu: { ...own.cpu, cpuid } };
  const signature = own.cpu.cpuid.find(({ leaf }) => leaf === 1)?.eax ?? 0;
  const older = ((signature & ~0xf) | 7) >>> 0;
  const bitmap = `0b${older.toString(2).padStart(32, "0")}`;
  const shown = readTemplateDocument(
    JSON.stringify({
      cpuid_modifiers: [
        { leaf: "0x1", subleaf: "0x0", flags: 0, modifiers: [{ register: "eax", bitmap }] },
      ],
    }),
  );
  if (shown.kind !== "template") throw new Error("must be a template");
  expect(contractOf(node).incomplete).toEqual([]);
  expect(contractOf(node, shown.template).incomplete.join()).toContain("VMX");
});
