import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CoreError } from "../src/errors.ts";
import { ALL_LINES } from "../src/tables/releases.ts";
import { checkTemplate } from "../src/firecracker/check-template.ts";
import { applyTemplate } from "../src/template/apply.ts";
import { formatBitmap, parseBitmap } from "../src/template/bitmap.ts";
import { formatTemplate, normalizeTemplate } from "../src/template/format.ts";
import { parseTemplate } from "../src/template/parse.ts";
import type { CpuTemplate } from "../src/template/template.ts";
import { Problems } from "../src/json/problems.ts";
import { indexEntries, REGISTERS } from "../src/cpuid.ts";
import { hasSharedData, sharedFiles, sharedTemplate } from "./shared-data.ts";
import { basename } from "node:path";

const word = fc.nat({ max: 0xffff_ffff });
const bitmap32 = fc
  .tuple(word, word)
  .map(([mask, value]) => ({ mask, value: (mask & value) >>> 0 }));
const bitmap64 = fc
  .tuple(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }))
  .map(([mask, value]) => ({ mask, value: mask & value }));

const template: fc.Arbitrary<CpuTemplate> = fc
  .record({
    kvmCapabilities: fc.uniqueArray(fc.nat({ max: 300 }).map(String), { maxLength: 3 }),
    cpuidModifiers: fc.uniqueArray(
      fc.record({
        leaf: word,
        subleaf: fc.nat({ max: 30 }),
        flags: fc.constantFrom(0, 1, 6),
        modifiers: fc.uniqueArray(
          fc
            .tuple(fc.constantFrom(...REGISTERS), bitmap32)
            .map(([register, bitmap]) => ({ register, ...bitmap })),
          { selector: ({ register }) => register },
        ),
      }),
      { selector: ({ leaf, subleaf }) => `${leaf}.${subleaf}`, maxLength: 8 },
    ),
    msrModifiers: fc.uniqueArray(
      fc.tuple(word, bitmap64).map(([addr, bitmap]) => ({ addr, ...bitmap })),
      { selector: ({ addr }) => addr, maxLength: 4 },
    ),
  })
  .map((parts) => normalizeTemplate({ ...parts, vcpuFeatures: [], regModifiers: [] }));

test("parsing what was formatted gives the same template", () => {
  fc.assert(
    fc.property(template, (t) => {
      expect(parseTemplate(JSON.parse(formatTemplate(t)))).toEqual(t);
    }),
  );
});

test("applying a template twice is applying it once", () => {
  fc.assert(
    fc.property(template, word, (t, seed) => {
      const entries = indexEntries(
        t.cpuidModifiers.map(({ leaf, subleaf, flags }) => ({
          leaf,
          subleaf,
          flags,
          eax: seed,
          ebx: ~seed >>> 0,
          ecx: 0,
          edx: 0xffff_ffff,
        })),
      );
      const msrs = new Map(t.msrModifiers.map(({ addr }) => [addr, BigInt(seed)]));
      const once = applyTemplate(entries, msrs, t);
      const twice = applyTemplate(once.cpuid, once.registers, t);
      expect(twice.cpuid).toEqual(once.cpuid);
      expect(twice.registers).toEqual(once.registers);
      expect(once.missing).toEqual([]);
    }),
  );
});

test("a template that names an entry which is not there says so", () => {
  const t = parseTemplate({
    cpuid_modifiers: [{ leaf: "0x7", subleaf: "0x1", flags: 1, modifiers: [] }],
    msr_modifiers: [{ addr: "0x10a", bitmap: "0b0" }],
  });
  expect(applyTemplate(new Map(), new Map(), t).missing).toEqual([
    { kind: "cpuid", leaf: 7, subleaf: 1 },
    { kind: "register", id: 0x10a },
  ]);
});

test("bitmaps: separators, missing prefix, missing high bits", () => {
  const parse = (text: string) => parseBitmap(text, 32, new Problems());
  expect(parse("0b1_0x")).toEqual({ mask: 0b110n, value: 0b100n });
  expect(parse("10x")).toEqual(parse("0b10x"));
  expect(formatBitmap({ mask: 0b101, value: 0b100 }, 32)).toBe(`0b${"x".repeat(29)}1x0`);
});

function problemsOf(json: unknown): string[] {
  try {
    parseTemplate(json);
  } catch (error) {
    if (error instanceof CoreError) {
      return error.problems.map(({ path, message }) => `${path}: ${message}`);
    }
    throw error;
  }
  return [];
}

const entry = (changes: object) => ({
  leaf: "0x1",
  subleaf: "0x0",
  flags: 0,
  modifiers: [{ register: "eax", bitmap: "0b1" }],
  ...changes,
});
const register = (changes: object) =>
  entry({ modifiers: [{ register: "eax", bitmap: "0b1", ...changes }] });

describe("what Firecracker accepts, or refuses without a place, is refused with a path", () => {
  test.each<[string, unknown, string]>([
    [
      "33 characters",
      {
        cpuid_modifiers: [
          entry({}),
          { ...register({ bitmap: `0b${"0".repeat(33)}` }), leaf: "0x2" },
        ],
      },
      "cpuid_modifiers[1].modifiers[0].bitmap: 33 characters, a CPUID register has 32 bits (CPUID.02H:EAX)",
    ],
    [
      "65 characters",
      { msr_modifiers: [{ addr: "0x10a", bitmap: "x".repeat(65) }] },
      "msr_modifiers[0].bitmap: 65 characters, an MSR has 64 bits",
    ],
    [
      "a strange bit",
      { cpuid_modifiers: [register({ bitmap: "0b012" })] },
      'cpuid_modifiers[0].modifiers[0].bitmap: unexpected "2"; bits are 0, 1 or x (CPUID.01H:EAX)',
    ],
    [
      "an entry given twice",
      { cpuid_modifiers: [entry({}), entry({})] },
      "cpuid_modifiers[1]: duplicate of cpuid_modifiers[0] (CPUID.01H)",
    ],
    [
      "a register given twice",
      {
        cpuid_modifiers: [
          entry({
            modifiers: [
              { register: "eax", bitmap: "0b1" },
              { register: "eax", bitmap: "0b0" },
            ],
          }),
        ],
      },
      "cpuid_modifiers[0].modifiers[1]: duplicate of cpuid_modifiers[0].modifiers[0] (EAX)",
    ],
    [
      "an MSR given twice",
      {
        msr_modifiers: [
          { addr: "0x10a", bitmap: "0b1" },
          { addr: "0x10A", bitmap: "0b1" },
        ],
      },
      "msr_modifiers[1]: duplicate of msr_modifiers[0] (MSR 10AH)",
    ],
    [
      "an unknown key inside, which Firecracker ignores",
      { cpuid_modifiers: [entry({ registers: [] })] },
      "cpuid_modifiers[0].registers: unknown key; known here: leaf, subleaf, flags, modifiers",
    ],
    [
      "a decimal leaf, which Firecracker refuses",
      { cpuid_modifiers: [entry({ leaf: "7" })] },
      'cpuid_modifiers[0].leaf: must be a string such as "0x1f" or "0b101", but is "7"',
    ],
    [
      "a leaf as a number",
      { cpuid_modifiers: [entry({ leaf: 7 })] },
      'cpuid_modifiers[0].leaf: must be a string such as "0x1f" or "0b101", but is a number',
    ],
    [
      "a leaf too large",
      { cpuid_modifiers: [entry({ leaf: "0x100000000" })] },
      "cpuid_modifiers[0].leaf: 0x100000000 does not fit into 32 bits",
    ],
    [
      "a register that does not exist",
      { cpuid_modifiers: [register({ register: "EAX" })] },
      'cpuid_modifiers[0].modifiers[0].register: must be eax, ebx, ecx or edx, but is "EAX"',
    ],
    ["null", { msr_modifiers: null }, "msr_modifiers: must be a list, but is null"],
    [
      "flags that are no number",
      { cpuid_modifiers: [entry({ flags: "1" })] },
      "cpuid_modifiers[0].flags: must be KVM's flags as a number, but is a string",
    ],
    [
      "a capability as a number",
      { kvm_capabilities: [171] },
      'kvm_capabilities[0]: must be a KVM capability number in a string, such as "171" or "!171"',
    ],
  ])("%s", (_, json, expected) => {
    expect(problemsOf(json)).toEqual([expected]);
  });

  test("all problems are reported, not only the first", () => {
    const json = { cpuid_modifiers: [entry({ leaf: 1 }), entry({ flags: -1 })], extra: 1 };
    expect(problemsOf(json)).toHaveLength(3);
  });
});

test.skipIf(!hasSharedData)(
  "templates written by Firecracker's maintainers survive a round trip",
  () => {
    for (const file of sharedFiles("templates")) {
      const t = normalizeTemplate(sharedTemplate(basename(file, ".json")));
      expect(parseTemplate(JSON.parse(formatTemplate(t)))).toEqual(t);
    }
  },
);

test("bits that Firecracker overwrites and flags that do not fit are found", () => {
  const t = parseTemplate({
    cpuid_modifiers: [
      {
        leaf: "0x7",
        subleaf: "0x0",
        flags: 0,
        modifiers: [{ register: "ecx", bitmap: "0b1xxxxx" }],
      },
      { leaf: "0x1", subleaf: "0x0", flags: 1, modifiers: [{ register: "ecx", bitmap: "0b0" }] },
      { leaf: "0xa", subleaf: "0x0", flags: 0, modifiers: [{ register: "eax", bitmap: "0b1" }] },
    ],
  });
  const found = checkTemplate(t, ["1.12", "1.13", "1.14"]).map(
    ({ path, message }) => `${path}: ${message}`,
  );
  expect(found).toEqual([
    "cpuid_modifiers[0].flags: flags say that the subleaf does not matter: this entry would " +
      "answer for every subleaf",
    "cpuid_modifiers[0].modifiers[0]: Firecracker 1.12–1.14 overwrites WAITPKG, whatever " +
      "the template says",
    "cpuid_modifiers[1].flags: flags say that the subleaf matters, but this leaf has no subleaves",
    "cpuid_modifiers[2].modifiers[0]: Firecracker 1.12–1.14 overwrites PMU_VERSION, whatever " +
      "the template says",
  ]);
  expect(
    checkTemplate(t, ALL_LINES)
      .map(({ message }) => message)
      .join(),
  ).not.toContain("WAITPKG");
});

test("writing what Firecracker writes there as well is no finding", () => {
  const t = parseTemplate({
    cpuid_modifiers: [
      {
        leaf: "0x1",
        subleaf: "0x0",
        flags: 0,
        modifiers: [{ register: "ecx", bitmap: "0b0".padEnd(18, "x") }],
      },
    ],
  });
  // PDCM, CPUID.01H:ECX[15], which Firecracker clears.
  expect(checkTemplate(t, ALL_LINES)).toEqual([]);
});

test("bits without a row that Firecracker overwrites are named by number", () => {
  const t = parseTemplate({
    cpuid_modifiers: [
      {
        leaf: "0x1",
        subleaf: "0x0",
        flags: 0,
        modifiers: [{ register: "ecx", bitmap: "0b1".padEnd(18, "x") }],
      },
    ],
  });
  expect(checkTemplate(t, ALL_LINES, "amd").map(({ message }) => message)).toEqual([
    "Firecracker 1.5–1.16 overwrites bit 15, whatever the template says",
  ]);
});

test("an entry without its leaf's flag is fine where the node has it so, or where it is all zero", () => {
  const withBits = (bitmap: string) => {
    const modifiers = REGISTERS.map((name) => ({ register: name, bitmap }));
    return parseTemplate({
      cpuid_modifiers: [{ leaf: "0x1d", subleaf: "0x0", flags: 0, modifiers }],
    });
  };
  const found = (bitmap: string, flags?: number) => {
    const own = { leaf: 0x1d, subleaf: 0, flags: flags ?? 0, eax: 0, ebx: 0, ecx: 0, edx: 0 };
    const node = flags === undefined ? new Map() : indexEntries([own]);
    return checkTemplate(withBits(bitmap), ALL_LINES, "intel", node).map(({ path }) => path);
  };
  const cleared = `0b${"0".repeat(32)}`;
  expect([found(cleared), found(cleared, 1)]).toEqual([[], []]);
  expect([found("0b1"), found("0b1", 0)]).toEqual([["cpuid_modifiers[0].flags"], []]);
  expect(found("0b1", 1)).toEqual(["cpuid_modifiers[0].flags"]);
});
