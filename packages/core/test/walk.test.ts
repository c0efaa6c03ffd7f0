/** The walk of a bit in CONTRIBUTING.md, gone step by step with the functions that it names. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, test } from "vitest";
import { requireCatalogueProfile } from "../src/catalogue/index.ts";
import { predictContract } from "../src/contract/make.ts";
import { REGISTERS } from "../src/cpuid.ts";
import { simulate } from "../src/firecracker/simulate.ts";
import { fieldAddress } from "../src/format/address.ts";
import { decode } from "../src/inspect/decode.ts";
import { parseJson } from "../src/json/parse.ts";
import { lintBits } from "../src/lint/lint-bits.ts";
import { close } from "../src/plan/close.ts";
import { givenUp } from "../src/plan/costs.ts";
import { guestCpu } from "../src/plan/guest-cpu.ts";
import { merge } from "../src/plan/merge.ts";
import { prove } from "../src/plan/prove.ts";
import { x86Templates } from "../src/plan/x86/emit.ts";
import { groupIntoClasses } from "../src/profile/class.ts";
import type { NodeProfile } from "../src/profile/profile.ts";
import { readDocument } from "../src/read/document.ts";
import { STRUCTURED_FIELDS } from "../src/tables/cpuid/structured.ts";
import { fieldByName } from "../src/tables/lookup.ts";
import { formatTemplate } from "../src/template/format.ts";
import { EMPTY_TEMPLATE } from "../src/template/template.ts";
import { consequenceOf } from "../src/verdict/consequence.ts";
import { judge } from "../src/verdict/judge.ts";
import { compareWords } from "../src/verdict/words.ts";

const BIT = "AVX512_VBMI2";
const ADDRESS = "CPUID.(EAX=07H,ECX=0):ECX[6]";
const LINE = "1.16";

/** In the order of the walk. */
const STEPS: Readonly<Record<string, unknown>> = {
  STRUCTURED_FIELDS,
  fieldByName,
  readDocument,
  groupIntoClasses,
  simulate,
  merge,
  close,
  guestCpu,
  givenUp,
  x86Templates,
  formatTemplate,
  prove,
  compareWords,
  consequenceOf,
  lintBits,
  decode,
};

describe("CONTRIBUTING.md", () => {
  const root = fileURLToPath(new URL("../../..", import.meta.url));
  const page = readFileSync(join(root, "CONTRIBUTING.md"), "utf8");
  const section = page.slice(page.indexOf("## The walk of a bit"));
  const walk = section.slice(0, section.indexOf("\n## ", 3));
  const rows = [...walk.matchAll(/^\| [^|]+ \| `(\w+)` +\| `([\w/.-]+)` +\|$/gm)];

  test("names the steps of this test, in their order", () => {
    expect(rows.map(([, name]) => name)).toEqual(Object.keys(STEPS));
  });

  test.each(rows.map(([, name = "", file = ""]) => [name, file] as const))(
    "%s is in %s",
    async (name, file) => {
      const path = join(root, "packages/core/src", file);
      const module = (await import(/* @vite-ignore */ path)) as Readonly<Record<string, unknown>>;
      expect(module[name]).toBe(STEPS[name]);
    },
  );

  test("names the file that prints", () => {
    const [, file = ""] = /`(packages\/cli\/src\/[\w/.-]+)` prints it/.exec(walk) ?? [];
    expect(readFileSync(join(root, file), "utf8")).toContain("featureLines");
  });
});

/** What cpu-template-helper would write on such a node. */
function fingerprint(id: string): unknown {
  const { cpu } = requireCatalogueProfile(`${id}@6.1`);
  const dump = formatTemplate({
    ...EMPTY_TEMPLATE,
    cpuidModifiers: cpu.cpuid.map((entry) => ({
      leaf: entry.leaf,
      subleaf: entry.subleaf,
      flags: entry.flags,
      modifiers: REGISTERS.map((register) => ({
        register,
        mask: 0xffff_ffff,
        value: entry[register],
      })),
    })),
    msrModifiers: cpu.msrs.map(({ addr, value }) => ({ addr, mask: 2n ** 64n - 1n, value })),
  });
  return {
    firecracker_version: "1.16.1",
    kernel_version: "6.1.100",
    microcode_version: "0x1",
    bios_version: "1",
    bios_revision: "1",
    guest_cpu_config: parseJson(dump),
  };
}

function read(id: string): NodeProfile {
  const document = readDocument(fingerprint(id), id);
  if (document.kind !== "profile") throw new Error(`${id} is no profile`);
  return document.profile;
}

describe("the bit", () => {
  const ice = read("ice-lake-sp");
  const cascade = read("cascade-lake");
  const classes = groupIntoClasses([ice, cascade], "intel");
  const views = classes.map(({ cpu }) => simulate(cpu, "intel", LINE));
  const merged = merge("intel", views);
  const bitOf = (ecx = 0) => (ecx >>> 6) & 1;

  beforeAll(() => {
    close(merged);
  });

  test("is a row, found by its name", () => {
    const field = fieldByName(BIT);
    if (field === undefined) throw new Error(`no row is named ${BIT}`);
    expect(STRUCTURED_FIELDS).toContain(field);
    expect(fieldAddress(field)).toBe(ADDRESS);
  });

  test("is what a guest sees of each class", () => {
    expect(classes.map(({ id }) => id.replace(/-\w+$/, ""))).toEqual([
      "cascade-lake",
      "ice-lake-sp",
    ]);
    expect(views.map(({ cpuid }) => bitOf(cpuid.get("7.0")?.ecx))).toEqual([0, 1]);
  });

  test("is merged to what all have, and priced", () => {
    const merging = merged.fields.find(({ field }) => field.name === BIT);
    expect([merging?.values, merging?.value]).toEqual([[0n, 1n], 0n]);
    const [none, some] = givenUp(merged, classes.length);
    expect(none?.map(({ name }) => name)).not.toContain(BIT);
    expect(some?.find(({ name }) => name === BIT)).toMatchObject({
      address: ADDRESS,
      reason: { kind: "absent" },
    });
  });

  test("is hidden by the template of the class that has it, as a proof shows", () => {
    const guest = guestCpu(merged, true);
    expect(guest.features).not.toContain(BIT);
    const templates = x86Templates(classes, guest, [LINE]);
    const emitted = classes.flatMap((nodeClass, i) => {
      const template = templates[i];
      return template === undefined ? [] : [{ nodeClass, template }];
    });
    const proof = prove(emitted, guest, [LINE]);
    const about = proof.violations.filter(({ address }) => address.startsWith("CPUID.(EAX=07H"));
    expect(about).toEqual([]);
    const json = parseJson(formatTemplate(templates[1] ?? EMPTY_TEMPLATE)) as {
      cpuid_modifiers: {
        leaf: string;
        subleaf: string;
        modifiers: { register: string; bitmap: string }[];
      }[];
    };
    const leaf7 = json.cpuid_modifiers.find((e) => e.leaf === "0x7" && e.subleaf === "0x0");
    const bitmap = leaf7?.modifiers.find(({ register }) => register === "ecx")?.bitmap ?? "";
    expect(bitmap.replace(/^0b/, "").replaceAll("_", "").at(-7)).toBe("0");
  });

  test("is judged: a snapshot that promises it does not resume without", () => {
    const result = predictContract(ice, { firecracker: "1.16.1", vcpus: 1, smt: false });
    if (!result.ok) throw new Error("Ice Lake boots nothing");
    const finding = judge(result.contract, cascade).findings.find(({ name }) => name === BIT);
    const field = fieldByName(BIT);
    if (field === undefined) throw new Error(`no row is named ${BIT}`);
    expect(finding).toMatchObject({
      severity: "incompatible",
      address: ADDRESS,
      consequence: consequenceOf(field, "lost"),
    });
  });

  test("is linted where a template shows it without hardware", () => {
    const [without, having] = views;
    if (without === undefined || having === undefined) throw new Error("there are two classes");
    const found = lintBits({ type: "intel", ...having }, { type: "intel", ...without });
    expect(found.find(({ name }) => name === BIT)?.severity).toBe("error");
  });

  test("is decoded, to be printed", () => {
    const [, having] = views;
    if (having === undefined) throw new Error("there are two classes");
    const field = decode({ type: "intel", ...having }).find(({ name }) => name === BIT);
    expect(field?.address).toBe(ADDRESS);
  });
});
