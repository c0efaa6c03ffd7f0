import { expect, test } from "vitest";
import { stateOfCpu } from "../src/profile/state.ts";
import { mask64 } from "../src/bits.ts";
import { ALL_LINES } from "../src/tables/releases.ts";
import { NORMALIZED, alwaysOverwritten } from "../src/firecracker/normalization.ts";
import { buildStaticTemplate } from "../src/firecracker/static-build.ts";
import { STATIC_TEMPLATES } from "../src/firecracker/static-templates.ts";
import type { CpuidField, MsrField } from "../src/tables/field.ts";
import { GROUP_ORDER, UNCOUNTED_GROUPS } from "../src/tables/groups.ts";
import { LEVELS } from "../src/tables/levels.ts";
import { CPUID_FIELDS, fieldByName, MSR_FIELDS } from "../src/tables/lookup.ts";
import { decodeSignature, encodeSignature, MODELS, modelOf } from "../src/tables/models.ts";
import { hasSharedData, sharedTemplate, x86Fingerprints } from "./shared-data.ts";
import { normalizeTemplate } from "../src/template/format.ts";
import { decode } from "../src/inspect/decode.ts";

const ALL: readonly (CpuidField | MsrField)[] = [...CPUID_FIELDS, ...MSR_FIELDS];

function place(field: CpuidField | MsrField): string {
  return "addr" in field
    ? `msr ${field.addr.toString(16)}`
    : `${field.leaf.toString(16)}.${field.subleaf ?? "*"}.${field.register}`;
}

test("every name is unique", () => {
  const names = ALL.map(({ name }) => name);
  expect(names.filter((name, i) => names.indexOf(name) !== i)).toEqual([]);
});

test("no two rows of a vendor cover the same bit", () => {
  const overlaps: string[] = [];
  for (const vendor of ["intel", "amd"] as const) {
    const covered = new Map<string, bigint>();
    for (const field of ALL.filter(({ vendors }) => vendors.includes(vendor))) {
      const before = covered.get(place(field)) ?? 0n;
      const mask = mask64(field.hi, field.lo);
      if ((before & mask) !== 0n) overlaps.push(`${vendor} ${field.name}`);
      covered.set(place(field), before | mask);
    }
  }
  expect(overlaps).toEqual([]);
});

test("rows fit their registers, and features are single bits", () => {
  for (const field of ALL) {
    expect([field.name, field.hi >= field.lo]).toEqual([field.name, true]);
    expect([field.name, field.hi < ("addr" in field ? 64 : 32)]).toEqual([field.name, true]);
  }
  const wide = ALL.filter(({ kind, hi, lo }) => kind === "feature" && hi !== lo);
  expect(wide).toEqual([]);
});

test("every feature that a row names exists, and nothing needs itself", () => {
  const unknown = ALL.flatMap(({ name, requires, of, usedBy }) =>
    [...requires, ...usedBy, ...(of === undefined ? [] : [of])]
      .filter((other) => fieldByName(other)?.kind !== "feature" || other === name)
      .map((other) => `${name} → ${other}`),
  );
  expect(unknown).toEqual([]);
});

test("requirements have no cycle", () => {
  const visit = (name: string, path: readonly string[]): void => {
    expect(path).not.toContain(name);
    for (const next of fieldByName(name)?.requires ?? []) visit(next, [...path, name]);
  };
  for (const { name } of ALL) visit(name, []);
});

test("every row has a reference and a known group", () => {
  const headings = new Set([...GROUP_ORDER, ...UNCOUNTED_GROUPS]);
  for (const { name, reference, group, title } of ALL) {
    expect([name, reference.length > 0, title.length > 0]).toEqual([name, true, true]);
    expect([name, headings.has(group) ? "known" : group]).toEqual([name, "known"]);
  }
});

test("the union bits are the ones that announce a weakness", () => {
  const united = ALL.filter(({ kind }) => kind === "union").map(({ name }) => name);
  expect(united.toSorted()).toEqual(
    [
      ..."RSBA RRSBA NO_LMSL FSGS_NON_SERIALIZING".split(" "),
      ..."FDP_EXCPTN_ONLY ZERO_FCS_FDS PMU_EVENTS_MISSING".split(" "),
    ].toSorted(),
  );
  const remedies = ALL.filter(({ kind }) => kind === "remedy");
  expect(remedies.map(({ name }) => name).toSorted()).toEqual([
    "FB_CLEAR",
    "MD_CLEAR",
    "RFDS_CLEAR",
    "VERW_CLEAR",
  ]);
  const backing = ALL.flatMap(({ backedBy }) => backedBy.flat()).map((n) => n.replace("!", ""));
  expect(backing.filter((name) => fieldByName(name) === undefined)).toEqual([]);
});

test("levels and built-in templates name known features", () => {
  const names = [
    ...LEVELS.flatMap(({ features }) => features),
    ...STATIC_TEMPLATES.flatMap(({ hides, sets }) => [...hides, ...sets]),
    ...STATIC_TEMPLATES.flatMap(({ archCapabilities }) =>
      archCapabilities.flatMap(({ sets, keeps }) => [...sets, ...keeps]),
    ),
  ];
  expect(names.filter((name) => fieldByName(name) === undefined)).toEqual([]);
});

test("a model's signature survives encoding, and its row is found again", () => {
  for (const model of MODELS) {
    const stepping = model.steppings?.[0] ?? 3;
    const fms = { family: model.family, model: model.model, stepping };
    expect(decodeSignature(encodeSignature(fms))).toEqual(fms);
    expect(modelOf(model.vendor, fms)?.name).toBe(model.name);
  }
});

test("normalization rows are unique per vendor and release", () => {
  const keys = NORMALIZED.map((r) =>
    [r.vendors, r.leaf, r.subleaf, r.register, r.hi, r.lo, r.by].join(),
  );
  expect(new Set(keys).size).toBe(keys.length);
  expect(alwaysOverwritten("intel", ALL_LINES, 7, 0, "ebx")).toBe((1 << 6) | (1 << 13));
  expect(alwaysOverwritten("amd", ["1.10"], 0x8000_0000, 0, "eax")).toBe(0xffff_ffff);
  expect(alwaysOverwritten("amd", ["1.10", "1.11"], 0x8000_0000, 0, "eax")).toBe(0);
});

test.skipIf(!hasSharedData)("every set bit of every real x86 guest has a row", () => {
  const unnamed = x86Fingerprints().flatMap(({ name, cpu }) => {
    const state = stateOfCpu(cpu);
    if (state === undefined) throw new Error(`${name} is not x86`);
    return decode(state)
      .filter(({ kind }) => kind === "reserved")
      .map(({ address }) => `${name} ${address}`);
  });
  expect(unnamed).toEqual([]);
});

test.skipIf(!hasSharedData)("every MSR of every real x86 guest has a row", () => {
  const known = new Set(MSR_FIELDS.map(({ addr }) => addr));
  const unknown = x86Fingerprints().flatMap(({ cpu }) => cpu.msrs.map(({ addr }) => addr));
  expect([...new Set(unknown)].filter((addr) => !known.has(addr))).toEqual([]);
});

test.skipIf(!hasSharedData)("built-in templates are what Firecracker's are, bit for bit", () => {
  for (const name of ["T2CL", "T2S"]) {
    const row = STATIC_TEMPLATES.find((template) => template.name === name);
    if (row === undefined) throw new Error(`no row for ${name}`);
    // The file of T2S is of a Firecracker after 1.16, which also sets FB_CLEAR.
    const fbClear = name === "T2S" ? 1n << 17n : 0n;
    const built = buildStaticTemplate(row, "1.16");
    const msrModifiers = built.msrModifiers.map((m) => ({ ...m, value: m.value | fbClear }));
    expect({ ...built, msrModifiers }).toEqual(normalizeTemplate(sharedTemplate(name)));
  }
});

test("T2CL leaves RFDS bits alone since 1.8", () => {
  const row = STATIC_TEMPLATES.find(({ name }) => name === "T2CL");
  if (row === undefined) throw new Error("no row for T2CL");
  const kept = (line: string) =>
    [27n, 28n].map(
      (bit) => ((buildStaticTemplate(row, line).msrModifiers[0]?.mask ?? 0n) >> bit) & 1n,
    );
  expect(kept("1.7")).toEqual([1n, 1n]);
  expect(kept("1.8")).toEqual([0n, 0n]);
});
