/** A plan in other monitors' words: everything it has is said, or listed as unsaid. */
import { expect, test } from "vitest";
import { EMITTERS, VMM_NAMES, type Monitor, type Plan } from "../src/index.ts";
import { planPool, requireCatalogueProfile } from "../src/index.ts";
import { DEFAULT_OPTIONS } from "../src/plan/plan.ts";
import { decode } from "../src/inspect/decode.ts";
import { stateOfPlan } from "../src/inspect/state.ts";
import { readText } from "../src/read/text.ts";
import { fieldByName } from "../src/tables/lookup.ts";

function planned(models: readonly string[], identity?: "keep"): Plan {
  const nodes = models.map((model) => requireCatalogueProfile(model));
  const result = planPool(nodes, {
    ...DEFAULT_OPTIONS,
    ...(identity === undefined ? {} : { identity, accept: "insecure" }),
  });
  if (!result.ok) throw new Error(result.refusals.map(({ message }) => message).join("\n"));
  return result.plan;
}

const INTEL = planned(["cascade-lake@6.8", "ice-lake-sp@6.8"]);
const AMD = planned(["milan@6.8"]);
const MONITORS = Object.keys(EMITTERS) as Monitor[];

/** Single bits of the plan that are a monitor's to be told. */
function bitsOf(plan: Plan): string[] {
  return decode(stateOfPlan(plan))
    .filter(({ kind, group }) => {
      const isPlanned = kind === "feature" || kind === "union" || kind === "remedy";
      return isPlanned && group !== "aliases" && group !== "XSAVE state";
    })
    .map(({ name }) => name);
}

test("each name has a row, and each row one name", () => {
  for (const { field } of VMM_NAMES)
    expect([field, fieldByName(field)?.name]).toEqual([field, field]);
  expect(new Set(VMM_NAMES.map(({ field }) => field)).size).toBe(VMM_NAMES.length);
});

test.each([
  ["intel", INTEL],
  ["amd", AMD],
])("of %s, nothing is dropped in silence: a bit is said or listed", (_, plan) => {
  const { text, unsaid } = EMITTERS.qemu(plan);
  const said = new Set([...text.matchAll(/,([\w.-]+)=on/g)].map(([, word]) => word));
  const listed = new Set(unsaid.map(({ name }) => name));
  for (const name of bitsOf(plan)) {
    const word = VMM_NAMES.find(({ field }) => field === name)?.qemu;
    expect([name, said.has(word), listed.has(name)]).toEqual([
      name,
      !listed.has(name),
      listed.has(name),
    ]);
  }
});

test.each(["libvirt", "proxmox"] as const)("%s switches off what the plan gives up", (monitor) => {
  const { text } = EMITTERS[monitor](INTEL);
  const of = (on: string, off: string) =>
    monitor === "libvirt" ? [on, off] : ["+avx512f", "-gfni"];
  for (const part of of("policy='require' name='avx512f'", "policy='disable' name='gfni'")) {
    expect(text).toContain(part);
  }
  expect(text).not.toMatch(/require' name='gfni'|\+gfni/);
});

test("a weakness that has no word, and another model's number, are no 'yes'", () => {
  const union = INTEL.united.map(({ name }) => name);
  expect(union).toContain("RRSBA");
  expect(EMITTERS.qemu(INTEL).unsaid).toContainEqual(
    expect.objectContaining({ name: "RRSBA", effect: "insecure" }),
  );
  expect(EMITTERS.libvirt(planned(["ice-lake-sp@6.8"])).unsaid).toContainEqual(
    expect.objectContaining({ name: "identity", effect: "insecure" }),
  );
});

test("Cloud Hypervisor cannot hide what classes give up, and says so", () => {
  const { text, unsaid } = EMITTERS["cloud-hypervisor"](INTEL);
  expect(text).toMatch(/^--cpus boot=1,max_phys_bits=\d+,nested=(?:on|off)\n$/);
  const differs = unsaid.filter(({ effect }) => effect === "differs").map(({ name }) => name);
  expect(differs).toContain("GFNI");
  const givenUp = INTEL.classes.flatMap(({ givesUp }) => givesUp.map(({ name }) => name));
  for (const name of givenUp.filter((each) => each !== "VMX")) expect(differs).toContain(name);
});

test("a plan that keeps each class's identity is one guest for no monitor", () => {
  const kept = planned(["cascade-lake@6.8", "ice-lake-sp@6.8"], "keep");
  for (const monitor of MONITORS) {
    expect(EMITTERS[monitor](kept).unsaid).toContainEqual(
      expect.objectContaining({ name: "identity", effect: "differs" }),
    );
  }
});

/** libvirt's words for a plan, as it lists a host's: all of them, and no policy. */
function hostXml(plan: Plan, signature = ""): string {
  const words = [...EMITTERS.libvirt(plan).text.matchAll(/require' name='([^']+)'/g)];
  const features = words.map(([, name]) => `  <feature name='${name}'/>\n`).join("");
  return `<cpu>\n  <arch>x86_64</arch>\n  <model>Cascadelake-Server-noTSX</model>\n  <vendor>Intel</vendor>\n${signature}${features}</cpu>\n`;
}

function profileOf(text: string) {
  const document = readText(text, { name: "node", kernel: "6.8" });
  if (document.kind !== "profile") throw new Error(document.kind);
  return document.profile;
}

test("libvirt's words are read back as the bits that were said", () => {
  const profile = profileOf(hostXml(INTEL, "  <signature family='6' model='85' stepping='7'/>\n"));
  expect(profile.incomplete).toEqual([]);
  const names = decode({
    type: "intel",
    cpuid: new Map(profile.cpu.cpuid.map((e) => [`${e.leaf}:${e.subleaf}`, e])),
    registers: new Map(),
  });
  const has = new Set(names.filter(({ value }) => value !== 0n).map(({ name }) => name));
  const bits = new Set(bitsOf(INTEL));
  const said = VMM_NAMES.filter(({ field, libvirt }) => {
    const row = fieldByName(field);
    const isCpuid = row !== undefined && "leaf" in row && field !== "HYPERVISOR";
    return libvirt !== undefined && isCpuid && bits.has(field);
  }).map(({ field }) => field);
  expect(said.length).toBeGreaterThan(60);
  expect(said.filter((field) => !has.has(field))).toEqual([]);
  expect([has.has("GFNI"), has.has("AVX512_VBMI")]).toEqual([false, false]);
});

test("a model of which not every feature is listed is incomplete, and so is a maybe", () => {
  const listed = (feature: string) =>
    profileOf(`<cpu mode='custom'>\n<model fallback='allow'>EPYC-Milan</model>\n${feature}</cpu>`)
      .incomplete;
  expect(listed("<feature policy='require' name='avx2'/>").join()).toContain("implies");
  expect(listed("<feature name='fpu'/><feature policy='optional' name='aes'/>").join()).toContain(
    "aes",
  );
});

test.each([
  ["<cpu><model>Nonesuch</model></cpu>", "Nonesuch is not a known model"],
  ["<cpu><feature name='fpu'/></cpu>", "names no <model>"],
  ["<cpu><model>EPYC</model><feature policy='maybe' name='fpu'/></cpu>", "unknown policy"],
  ["<cpu><arch>aarch64</arch><model>EPYC</model></cpu>", "arch must be x86_64"],
  ["<cpu><vendor>VIA</vendor><model>EPYC</model></cpu>", "vendor must be"],
  ["<cpu><model>EPYC-Rome</model>", "ends before </cpu>"],
  ["<cpu><model>EPYC-Rome</model></cpu><cpu>", "unexpected <cpu> after </cpu>"],
])("%s is refused with its line", (text, message) => {
  expect(() => readText(text, { name: "x" })).toThrow(message);
});
