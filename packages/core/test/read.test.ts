import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CoreError } from "../src/errors.ts";
import { sha256 } from "../src/format/digest.ts";
import { prettyJson } from "../src/json/pretty.ts";
import { planToJson } from "../src/plan/file.ts";
import { planPool } from "../src/plan/pools.ts";
import { readDocument, readProfile } from "../src/read/document.ts";
import { parseJson } from "../src/json/parse.ts";
import { formatProfile } from "../src/profile/file.ts";
import { modelCpu, node, nodeCpu } from "./arbitrary.ts";
import { fingerprint, hasSharedData, sharedFiles } from "./shared-data.ts";

test("digests equal SHA-256", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 300 }), (text) => {
      expect(sha256(text)).toBe(createHash("sha256").update(text).digest("hex"));
    }),
  );
});

test("pretty JSON means the same as plain JSON", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      expect(JSON.parse(prettyJson(value))).toEqual(JSON.parse(JSON.stringify(value)));
    }),
  );
});

test("a profile survives being written and read", () => {
  fc.assert(
    fc.property(nodeCpu, (cpu) => {
      const profile = { ...node("a", cpu), host: { kernel: "6.8" }, firecracker: ["1.14.1"] };
      expect(readProfile(JSON.parse(formatProfile(profile)), "other")).toEqual(profile);
    }),
    { numRuns: 30 },
  );
});

describe("text that is not JSON is located", () => {
  test.each([
    ["", "line 1, column 1: the file is empty"],
    ["{", "line 1, column 2: not JSON: the text ends too early"],
    ['{\n  "a": 1,\n}', 'line 3, column 1: not JSON: unexpected "}"'],
    ['{"a" 1}', 'line 1, column 6: not JSON: unexpected "1"'],
    ["[1, 2", "line 1, column 6: not JSON: the text ends too early"],
    ['["a\\q"]', 'line 1, column 2: not JSON: unexpected "\\""'],
    ["[] x", 'line 1, column 4: not JSON: unexpected "x"'],
    ["[1 2]", 'line 1, column 4: not JSON: unexpected "2"'],
    ["{'a': 1}", `line 1, column 2: not JSON: unexpected "'"`],
    ["<html>", 'line 1, column 1: not JSON: unexpected "<"'],
  ])("%j", (text, expected) => {
    expect(() => parseJson(text)).toThrow(expected);
  });

  test("for any damage the place is where V8 stops, or the end", () => {
    const text = formatProfile(node("a", modelCpu("ice-lake-sp", [], { caches: [], brand: "" })));
    fc.assert(
      fc.property(fc.nat({ max: text.length - 3 }), (cut) => {
        expect(() => parseJson(text.slice(0, cut))).toThrow(/too early|empty/);
      }),
      { numRuns: 50 },
    );
  });

  test("deep nesting does not exhaust the stack", () => {
    expect(() => parseJson("[".repeat(1_000_000))).toThrow(/too early/);
  });
});

describe("a key that is duplicated in one object is refused, wherever it is", () => {
  test.each([
    ['{"a": true, "a": false}', 'line 1, column 13: duplicate key "a"'],
    ['{"a": 1,\n "b": {"a": 1, "\\u0061" : 2}}', 'line 2, column 16: duplicate key "a"'],
    ['[{"a\\\\": {}, "x": ["a\\\\"], "a\\\\": {}}]', 'line 1, column 28: duplicate key "a\\\\"'],
    ['{"": 1, "": 1}', 'line 1, column 9: duplicate key ""'],
    ['{"__proto__": 1, "__proto__": 2}', 'duplicate key "__proto__"'],
  ])("%s", (text, expected) => {
    expect(() => parseJson(text)).toThrow(expected);
  });

  test("any value that JSON.stringify writes is accepted", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom(undefined, 1, "\t"), (value, space) => {
        const text = JSON.stringify(value, null, space);
        expect(parseJson(text)).toEqual(JSON.parse(text));
      }),
    );
  });

  test("a key that is doubled in any object of any text", () => {
    const key = fc.string({ unit: "binary" });
    fc.assert(
      fc.property(fc.jsonValue(), key, fc.jsonValue(), (a, name, b) => {
        const member = `${JSON.stringify(name)}: ${JSON.stringify(a)}`;
        const text = `[${JSON.stringify(b)}, {${member}, ${member}}]`;
        expect(() => parseJson(text)).toThrow("duplicate key");
      }),
    );
  });
});

function refusal(json: unknown): string {
  try {
    readProfile(json, "n");
  } catch (error) {
    if (error instanceof CoreError) return `${error.code} ${error.message}`;
    throw error;
  }
  return "none";
}

describe("documents that are no profile", () => {
  const own = { schema: "evenkeel/node-profile@1", arch: "x86_64", view: "guest" };
  const zero = { leaf: "0x0", eax: "0x0", ebx: "0x0", ecx: "0x0", edx: "0x0" };
  test.each<[string, unknown, string]>([
    ["a list", [], "UNKNOWN_FORMAT the top level must be an object, but is a list"],
    ["something else", { a: 1 }, "UNKNOWN_FORMAT unknown format (its keys: a)"],
    [
      "another schema",
      { schema: "evenkeel/node-profile@2" },
      "UNKNOWN_FORMAT schema: unknown schema",
    ],
    [
      "a template",
      { cpuid_modifiers: [], msr_modifiers: [] },
      "NOT_A_PROFILE this is a CPU template",
    ],
    ["an empty fingerprint", { guest_cpu_config: {} }, "BAD_FIELD guest_cpu_config: has no CPUID"],
    [
      "a fingerprint of nothing",
      { guest_cpu_config: 3 },
      "BAD_FIELD guest_cpu_config: must be an object",
    ],
    ["no arch", { ...own, arch: "mips" }, "BAD_FIELD arch: must be x86_64 or aarch64"],
    [
      "an entry twice",
      { ...own, cpuid: [zero, { ...zero, subleaf: "0x0" }] },
      "BAD_FIELD cpuid[1]: duplicate of cpuid[0]",
    ],
    [
      "a register too wide",
      { ...own, cpuid: [{ ...zero, eax: "0x100000000" }] },
      "BAD_FIELD cpuid[0].eax: 0x100000000 does not fit into 32 bits",
    ],
    ["a missing register", { ...own, cpuid: [{ leaf: "0x0" }] }, "BAD_FIELD cpuid[0].eax: must be"],
    ["an unknown key", { ...own, cpus: [] }, "BAD_FIELD cpus: unknown key"],
    [
      "a name that is no text",
      { ...own, name: 3 },
      "BAD_FIELD name: must be a string, but is a number",
    ],
  ])("%s", (_, json, expected) => {
    expect(refusal(json)).toContain(expected);
  });
});

test.skipIf(!hasSharedData)("fingerprints are read with their header", () => {
  const profile = fingerprint("INTEL_ICELAKE_6.1");
  expect(profile.host.kernel).toMatch(/^6\.1\./);
  expect(profile.host.microcode).toBe("0xd000421");
  expect(profile.cpu.view).toBe("guest");
  const arm = fingerprint("ARM_NEOVERSE_V1_6.1");
  expect(arm.cpu.arch).toBe("aarch64");
  expect(arm.cpu.registers.length).toBeGreaterThan(200);
});

test.skipIf(!hasSharedData)("a dump without the fingerprint's header is a profile too", () => {
  for (const file of sharedFiles("fingerprints")) {
    const json = JSON.parse(readFileSync(file, "utf8")) as { guest_cpu_config: unknown };
    const [bare, whole] = [readProfile(json.guest_cpu_config, "n"), readProfile(json, "n")];
    expect(bare.cpu).toEqual(whole.cpu);
    expect(bare.name).toBe("n");
  }
});

test("a plan is read back as it was written", () => {
  const result = planPool([node("a", modelCpu("ice-lake-sp", [], { caches: [], brand: "" }))]);
  if (!result.ok) throw new Error("must plan");
  const document = readDocument(JSON.parse(prettyJson(planToJson(result.plan))), "x");
  if (document.kind !== "plan" || document.plan.type === "aarch64") {
    throw new Error("must be an x86 plan");
  }
  expect(document.plan.guest.features).toEqual(result.plan.guest.features);
  expect(document.plan.guest.registers).toEqual(result.plan.guest.registers);
  expect(document.plan.classes.map(({ nodes }) => nodes)).toEqual([["a"]]);
});
