import { describe, expect, test } from "vitest";
import { armBuiltInTemplate } from "../src/firecracker/built-in.ts";
import { ALL_LINES } from "../src/tables/releases.ts";
import { lintTemplate } from "../src/lint/lint.ts";
import type { NodeProfile } from "../src/profile/profile.ts";
import { readDocument, templateOf } from "../src/read/document.ts";
import { parseTemplate } from "../src/template/parse.ts";
import type { CpuTemplate } from "../src/template/template.ts";
import { profile } from "./verdict-support.ts";

function lint(template: CpuTemplate, node: NodeProfile, lines: readonly string[] = ALL_LINES) {
  const found = lintTemplate({ template, builtIn: undefined }, node, lines) ?? [];
  return found.map(({ severity, rule, name }) => `${severity} ${rule} ${name}`.trim());
}

const icx = profile("ice-lake-sp");

test("a template for aarch64 is refused on x86", () => {
  const v1n1 = armBuiltInTemplate("V1N1");
  if (v1n1 === undefined) throw new Error("it is built in");
  expect(lint(v1n1, icx)).toContain("error architecture");
  const sve = parseTemplate({ vcpu_features: [{ index: 0, bitmap: "0b1" }] });
  expect(lint(sve, icx)).toContain("error architecture");
});

test("lint finds what only one of several releases shows: WAITPKG before 1.12", () => {
  const spr = profile("sapphire-rapids");
  const leaf7 = (entry: { leaf: number; subleaf: number }) =>
    entry.leaf === 7 && entry.subleaf === 0;
  const cpuid = spr.cpu.cpuid.map((e) => (leaf7(e) ? { ...e, ecx: (e.ecx & ~(1 << 5)) >>> 0 } : e));
  const without = { ...spr, cpu: { ...spr.cpu, cpuid } };
  const template = parseTemplate({
    cpuid_modifiers: [
      {
        leaf: "0x7",
        subleaf: "0x0",
        flags: 1,
        modifiers: [{ register: "ecx", bitmap: "0b1xxxxx" }],
      },
    ],
  });
  expect(lint(template, without)).toContain("error unbacked WAITPKG");
  expect(lint(template, without, ["1.12", "1.16"])).not.toContain("error unbacked WAITPKG");
});

describe("a template that keeps no bit of what it names", () => {
  const entry = (leaf: string, registers: readonly string[]) => ({
    leaf,
    subleaf: "0x0",
    flags: 0,
    modifiers: registers.map((register) => ({ register, bitmap: `0b${"0".repeat(32)}` })),
  });
  const ALL = ["eax", "ebx", "ecx", "edx"];

  test("is a template, unless it has a whole CPU", () => {
    const few = { cpuid_modifiers: [entry("0x0", ["eax"]), entry("0x1", ["ecx"])] };
    expect(readDocument(few, "a").kind).toBe("template");
    const whole = { cpuid_modifiers: [entry("0x0", ALL), entry("0x1", ALL)] };
    expect(readDocument(whole, "a").kind).toBe("template");
    const arm = { reg_modifiers: [{ addr: "0x603000000013c020", bitmap: `0b${"0".repeat(64)}` }] };
    expect(readDocument(arm, "a").kind).toBe("template");
  });

  test("is both with a whole CPU: the caller decides which", () => {
    const leaves = ["0x0", "0x1", "0x80000000"];
    const dump = readDocument({ cpuid_modifiers: leaves.map((leaf) => entry(leaf, ALL)) }, "a");
    expect(dump.kind).toBe("profile");
    expect(templateOf(dump)?.cpuidModifiers).toHaveLength(3);
  });
});
