/** A release of Firecracker, or a host kernel, that comes out is one row and no other change. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test, vi } from "vitest";
import { requireCatalogueProfile } from "../src/catalogue/index.ts";
import { compareEntries } from "../src/cpuid.ts";
import { predictContract } from "../src/contract/make.ts";
import { buildStaticTemplate } from "../src/firecracker/static-build.ts";
import { staticTemplateRow } from "../src/firecracker/static-templates.ts";
import { lintTemplate } from "../src/lint/lint.ts";
import { planPool } from "../src/plan/pools.ts";
import { missingOf } from "../src/profile/complete.ts";
import type { NodeProfile } from "../src/profile/profile.ts";
import { CATALOGUE_KERNELS, kernelMove } from "../src/tables/kernels.ts";
import type { Kernel } from "../src/tables/kernel-rows.ts";
import type { Release } from "../src/tables/release-rows.ts";
import { ALL_LINES, does, KNOWN_LINES, snapshotFormat } from "../src/tables/releases.ts";
import { judge } from "../src/verdict/judge.ts";

vi.mock("../src/tables/release-rows.ts", async (original) => {
  const rows = await original<typeof import("../src/tables/release-rows.ts")>();
  const added: Release = { line: "1.17", date: "2026-12", formats: [[0, "11.0.0"]] };
  return { ...rows, RELEASES: [...rows.RELEASES, added] };
});

vi.mock("../src/tables/kernel-rows.ts", async (original) => {
  const rows = await original<typeof import("../src/tables/kernel-rows.ts")>();
  const added: Kernel = { line: "6.24", tested: true, catalogued: true };
  return { ...rows, KERNELS: [...rows.KERNELS, added] };
});

vi.mock("../src/tables/cpuid/enumerations.ts", async (original) => {
  const rows = await original<typeof import("../src/tables/cpuid/enumerations.ts")>();
  const { inRegister, instruction, minimum } = await import("../src/tables/field.ts");
  const ref = { reference: "made up" };
  const added = [
    ...inRegister(0x25, 0, "eax", ref, [
      minimum([31, 0], "MAX_NEW_SUBLEAF", "highest subleaf of leaf 25H", "levels"),
    ]),
    ...inRegister(0x25, 0, "ebx", ref, [instruction(0, "NEW_ONE", "made up", "crypto")]),
    ...inRegister(0x25, 1, "ebx", ref, [instruction(3, "NEW_TWO", "made up", "crypto")]),
  ];
  return { ...rows, ENUMERATION_FIELDS: [...rows.ENUMERATION_FIELDS, ...added] };
});

const NEW = "1.17.0";

/** As if it had been measured, on a node that has the new release alone. */
function node(id: string): NodeProfile {
  return { ...requireCatalogueProfile(id), name: id, firecracker: [NEW], estimate: false };
}

function contractOf(profile: NodeProfile, firecracker: string) {
  const result = predictContract(profile, { firecracker, vcpus: 2, smt: false });
  if (!result.ok) throw new Error(`${profile.name} boots nothing`);
  return result.contract;
}

const ICE_LAKE = node("ice-lake-sp@6.18");

describe("a release that comes out", () => {
  test("does what the one before it does, and writes its own format", () => {
    expect([KNOWN_LINES, ALL_LINES.at(-1)]).toEqual(["1.5 to 1.17", "1.17"]);
    expect([does("1.17", "checks-models"), does("1.17", "lowers-amd-leaves")]).toEqual([
      true,
      false,
    ]);
    expect(snapshotFormat(NEW)).toBe("11.0.0");
  });

  test("is planned for", () => {
    const result = planPool([ICE_LAKE, node("sapphire-rapids@6.18")]);
    if (!result.ok) throw new Error(result.refusals.map(({ message }) => message).join("; "));
    expect(result.plan.firecracker).toEqual(ALL_LINES);
    expect(result.plan.proof.violations).toEqual([]);
  });

  test("has contracts, which its own format resumes and no other", () => {
    const contract = contractOf(ICE_LAKE, NEW);
    expect(contract.snapshotFormat).toBe("11.0.0");
    expect(judge(contract, ICE_LAKE).verdict).toBe("compatible");
    const older = { ...ICE_LAKE, firecracker: ["1.16.1"] };
    expect(judge(contract, older).verdict).toBe("incompatible");
    expect(judge(contractOf(older, "1.16.1"), ICE_LAKE).verdict).toBe("incompatible");
  });

  test("is linted for", () => {
    const row = staticTemplateRow("T2");
    if (row === undefined) throw new Error("there is no T2");
    const linted = { template: buildStaticTemplate(row, "1.17"), builtIn: row };
    const found = lintTemplate(linted, node("sapphire-rapids@6.18"), ["1.17"]);
    expect(found?.find(({ rule }) => rule === "static-model")?.message).toContain(
      "Firecracker 1.17 refuses T2",
    );
  });
});

describe("a host kernel that comes out", () => {
  test("is in the catalogue, and one step from the one before it", () => {
    expect(CATALOGUE_KERNELS.at(-1)).toBe("6.24");
    expect(kernelMove("6.18.3", "6.24.1-generic")).toBe("step");
    expect(kernelMove("6.1.9", "6.24.1")).toBe("untested");
  });

  test("shows a guest what the one before it shows", () => {
    expect(node("ice-lake-sp@6.24").cpu).toEqual(ICE_LAKE.cpu);
    expect(node("graviton4@6.24").cpu).toEqual(node("graviton4@6.18").cpu);
  });

  test("is judged", () => {
    const verdict = judge(contractOf(ICE_LAKE, NEW), node("ice-lake-sp@6.24"));
    expect([verdict.verdict, verdict.findings.map(({ rule }) => rule)]).toEqual([
      "compatible",
      expect.arrayContaining(["kernel"]),
    ]);
  });
});

describe("a leaf that comes out", () => {
  const base = node("granite-rapids@6.18");

  /** With leaf 25H up to a subleaf; `subleaves`: those that are listed. */
  function having(name: string, max: number, subleaves = max + 1): NodeProfile {
    const zero = { flags: 1, eax: 0, ebx: 0, ecx: 0, edx: 0 };
    const words = [
      { eax: max, ebx: 1 },
      { eax: 0, ebx: 1 << 3 },
    ];
    const added = words
      .slice(0, subleaves)
      .map((word, subleaf) => ({ leaf: 0x25, subleaf, ...zero, ...word }));
    const cpuid = base.cpu.cpuid.map((entry) =>
      entry.leaf === 0 ? { ...entry, eax: 0x25 } : entry,
    );
    return {
      ...base,
      name,
      cpu: { ...base.cpu, cpuid: [...cpuid, ...added].toSorted(compareEntries) },
    };
  }

  const [one, two] = [having("one", 0), having("two", 1)];

  test("is planned: what all have stays, and the limit goes down", () => {
    const result = planPool([one, two]);
    if (!result.ok) throw new Error(result.refusals.map(({ message }) => message).join("; "));
    const { guest, classes, proof } = result.plan;
    expect(guest.features).toContain("NEW_ONE");
    expect(guest.features).not.toContain("NEW_TWO");
    const given = classes.map(({ givesUp }) => givesUp.map(({ name }) => name));
    expect(given.toSorted((a, b) => a.length - b.length)).toEqual([[], ["NEW_TWO"]]);
    expect(proof.violations).toEqual([]);
  });

  test("is judged: a feature is missed, a limit is not", () => {
    const found = judge(contractOf(two, NEW), one).findings.filter(
      ({ severity }) => severity !== "note",
    );
    expect(found.map(({ name, address }) => [name, address])).toEqual([
      ["NEW_TWO", "CPUID.(EAX=25H,ECX=1):EBX[3]"],
    ]);
    expect(judge(contractOf(one, NEW), two).verdict).toBe("compatible");
  });

  test("is missed where a profile should have it", () => {
    const cut = having("cut", 1, 0);
    expect(judge(contractOf(one, NEW), cut).verdict).not.toBe("compatible");
    expect(missingOf(cut, "intel")).toEqual([
      "CPUID.25H is absent, although the highest leaf is beyond it",
    ]);
  });
});

describe("numbers of releases", () => {
  const packages = fileURLToPath(new URL("../..", import.meta.url));
  const home = /core\/src\/tables\/(?:releases|release-rows|kernels|kernel-rows)\.ts$/;
  const files = readdirSync(packages, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .flatMap(({ name }) => {
      const src = join(packages, name, "src");
      const all = readdirSync(src, { recursive: true, encoding: "utf8" });
      return all.filter((file) => file.endsWith(".ts")).map((file) => join(src, file));
    })
    .filter((file) => !home.test(file));
  const code = (file: string) => readFileSync(file, "utf8").replaceAll(/\/\*.*?\*\//gs, "");
  const texts = files.map((file) => ({ file, text: code(file) }));
  const having = (pattern: RegExp) =>
    texts.filter(({ text }) => pattern.test(text)).map(({ file }) => file.replace(packages, ""));

  test("of Firecracker are compared in one module", () => {
    expect(having(/compareLines\(/)).toEqual([]);
    expect(having(/(?:knownLine|lineOf)\([^)]*\)\.split/)).toEqual([]);
    expect(having(/["'`]1\.(?:[5-9]|1\d)["'`]/)).toEqual([]);
  });

  test("of kernels are compared in one module", () => {
    expect(having(/(?:release|kernel|line)\w*\.split\("\."\)\.map\(Number\)/i)).toEqual([]);
    expect(having(/\bisOlder\((?:"|\w+, ")\d/)).toEqual([]);
  });
});
