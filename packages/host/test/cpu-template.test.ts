import { join } from "node:path";
import { formatTemplate, type NodeProfile } from "@evenkeel/core";
import { describe, expect, test } from "vitest";
import {
  readTextFile,
  resolveTemplate,
  templateRequest,
  type ResolvedTemplate,
  type TemplateRequest,
} from "../src/index.ts";
import { cascadeLake, iceLake, planFiles, temporaryDirectory, writePlan } from "./pool.ts";

interface Overrides {
  readonly profile?: NodeProfile;
  readonly versions?: readonly string[];
  readonly allowInsecure?: boolean;
  readonly files?: Readonly<Record<string, string>>;
}

function resolve(request: TemplateRequest, overrides: Overrides = {}): ResolvedTemplate {
  const { profile = cascadeLake, versions = ["1.14.1"], allowInsecure = false } = overrides;
  const files = overrides.files ?? {};
  return resolveTemplate(request, {
    profile,
    versions,
    allowInsecure,
    read: (path) => files[path],
  });
}

function template(register: string, bitmap: string, leaf = "0x7"): string {
  const modifiers = [{ register, bitmap }];
  return JSON.stringify({ cpuid_modifiers: [{ leaf, subleaf: "0x0", flags: 1, modifiers }] });
}

const FILE: TemplateRequest = { kind: "file", path: "t.json" };
const PLAN: TemplateRequest = { kind: "plan", path: "plan" };

/** Clears AVX512F and nothing else, as an `x` everywhere else. */
const WITHOUT_AVX512F = template("ebx", `0b${"x".repeat(15)}0${"x".repeat(16)}`);

describe("what the environment asks for", () => {
  test.each([
    [{}, { kind: "none" }],
    [{ FC_CPU_TEMPLATE: "None" }, { kind: "none" }],
    [{ FC_CPU_TEMPLATE: "", EVENKEEL_PLAN: "" }, { kind: "none" }],
    [{ FC_CPU_TEMPLATE: "T2CL" }, { kind: "built-in", name: "T2CL" }],
    [{ FC_CPU_TEMPLATE: "V1N1" }, { kind: "built-in", name: "V1N1" }],
    [
      { FC_CPU_TEMPLATE: "None", EVENKEEL_PLAN: "/p" },
      { kind: "plan", path: "/p" },
    ],
    [{ FC_CUSTOM_CPU_TEMPLATE_PATH: "/t.json" }, { kind: "file", path: "/t.json" }],
  ])("%j is %j", (env, request) => {
    expect(templateRequest(env)).toEqual(request);
  });

  test("two at once are refused, and both are named", () => {
    const env = { FC_CPU_TEMPLATE: "T2", EVENKEEL_PLAN: "/plan" };
    expect(() => templateRequest(env)).toThrow("FC_CPU_TEMPLATE=T2, EVENKEEL_PLAN=/plan");
  });

  test("an unknown name is refused with those that are known", () => {
    expect(() => templateRequest({ FC_CPU_TEMPLATE: "T2cl" })).toThrow(
      "T2CL, T2S, T2, C3, T2A, V1N1",
    );
  });
});

describe("a built-in template", () => {
  test("is sent by its name, and its deprecation is said", () => {
    const { choice, findings } = resolve({ kind: "built-in", name: "T2CL" });
    expect(choice).toEqual({ kind: "built-in", name: "T2CL" });
    expect(findings.map(({ rule }) => rule)).toContain("deprecated");
  });

  test("outside its models is fatal where an installed version refuses it", () => {
    const request = { kind: "built-in", name: "T2A" } as const;
    expect(() => resolve(request, { versions: ["1.10.1", "1.14.1"] })).toThrow("refuses T2A");
  });

  test("of another architecture is fatal", () => {
    expect(() => resolve({ kind: "built-in", name: "V1N1" })).toThrow("a template for aarch64");
  });
});

describe("a custom template", () => {
  test("that fits the node is sent as it is", () => {
    const { choice, name } = resolve(FILE, { files: { "t.json": WITHOUT_AVX512F } });
    expect(choice).toMatchObject({ kind: "template" });
    expect(name).toBe("t.json");
  });

  test.each([
    ["a leaf that the node lacks", template("eax", "0b0", "0x1f"), "TEMPLATE_FATAL"],
    ["a feature that the node lacks", template("ecx", "0b1xxxxxx"), "TEMPLATE_FATAL"],
    ["a typo", '{"cpuid_modifier": []}', "BAD_FIELD"],
    ["another document", [...planFiles().values()][0] ?? "", "NOT_A_TEMPLATE"],
    ["no JSON", "{", "NOT_JSON"],
  ])("with %s stops the start", (_, text, code) => {
    expect(() => resolve(FILE, { files: { "t.json": text } })).toThrow(
      expect.objectContaining({ code }) as Error,
    );
  });

  test("that is not there stops the start and is named", () => {
    expect(() => resolve(FILE)).toThrow("t.json: no such file");
  });

  test("that hides a weakness needs EVENKEEL_ALLOW_INSECURE", () => {
    const text = JSON.stringify({
      msr_modifiers: [{ addr: "0x10a", bitmap: `0b${"0".repeat(64)}` }],
    });
    const files = { "t.json": text };
    expect(() => resolve(FILE, { files })).toThrow(
      expect.objectContaining({ code: "TEMPLATE_INSECURE" }) as Error,
    );
    const { findings } = resolve(FILE, { files, allowInsecure: true });
    expect(findings[0]).toMatchObject({ rule: "hidden-weakness", severity: "error" });
  });

  test("that Firecracker's API would not take is refused before it is sent", () => {
    const entries = Array.from({ length: 900 }, (_, i) => ({
      addr: `0x${(0x4b56_4d00 + i).toString(16)}`,
      bitmap: `0b${"x".repeat(64)}`,
    }));
    const files = { "t.json": JSON.stringify({ msr_modifiers: entries }) };
    expect(() => resolve(FILE, { files })).toThrow("Firecracker accepts 51200");
  });

  test("is linted for what is installed; unknown versions are named", () => {
    const files = { "t.json": WITHOUT_AVX512F };
    const { unknownVersions } = resolve(FILE, { files, versions: ["1.14.1", "2.0.0", "latest"] });
    expect(unknownVersions).toEqual(["2.0.0", "latest"]);
  });
});

describe("a plan", () => {
  const files = Object.fromEntries(
    [...planFiles()].map(([path, text]) => [join("plan", path), text]),
  );

  test.each([
    ["Cascade Lake", cascadeLake],
    ["Ice Lake", iceLake],
  ])("gives %s the template of its class, without a finding that matters", (_, profile) => {
    const found = resolve(PLAN, { files, profile });
    const text = files[join("plan", found.name ?? "")];
    const { choice } = found;
    expect(choice.kind === "template" && formatTemplate(choice.template)).toBe(text);
    expect(found.class).toMatch(/-[0-9a-f]{6,}$/);
    expect(found.findings.filter(({ severity }) => severity !== "note")).toEqual([]);
  });

  test("serves a node that it does not name but whose kind it knows", () => {
    const found = resolve(PLAN, { files, profile: { ...iceLake, name: "new-here" } });
    expect(found.class).toContain("ice-lake-sp");
  });

  test("refuses a node that it names and that has changed since", () => {
    const changed = { ...cascadeLake, cpu: iceLake.cpu, name: cascadeLake.name };
    const msrs = iceLake.cpu.msrs.filter(({ addr }) => addr !== 0x140);
    const profile = { ...changed, cpu: { ...iceLake.cpu, msrs } };
    expect(() => resolve(PLAN, { files, profile })).toThrow("has changed since");
  });

  test("refuses a node of an unknown kind", () => {
    const msrs = iceLake.cpu.msrs.slice(1);
    const profile = { ...iceLake, name: "stranger", cpu: { ...iceLake.cpu, msrs } };
    expect(() => resolve(PLAN, { files, profile })).toThrow("no class that matches stranger");
  });

  test("that points out of its directory is refused", () => {
    const text = (files["plan/plan.json"] ?? "").replaceAll(/"templates\//g, '"../elsewhere/');
    expect(() => resolve(PLAN, { files: { "plan/plan.json": text } })).toThrow(
      "is outside the plan's directory",
    );
  });

  test("is found by its directory and by its file, on disk", () => {
    const directory = temporaryDirectory();
    writePlan(directory);
    const context = { profile: iceLake, versions: [], allowInsecure: false, read: readTextFile };
    const [a, b] = [directory, join(directory, "plan.json")].map((path) =>
      resolveTemplate({ kind: "plan", path }, context),
    );
    expect(a?.name).toBeDefined();
    expect(a?.name).toBe(b?.name);
  });
});
