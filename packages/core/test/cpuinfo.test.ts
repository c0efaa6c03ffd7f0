/** The pool's guest CPU as a scheduler is told of it: a word, and a node's /proc/cpuinfo. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  cpuinfoGuest,
  guestWord,
  planPool,
  planToJson,
  prettyJson,
  profileOf,
  readDocument,
  readText,
  rewriteCpuinfo,
  type NodeProfile,
  type PlanFile,
} from "../src/index.ts";
import { fixture } from "./raw-support.ts";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));

function example(file: string): NodeProfile {
  const text = readFileSync(join(ROOT, "examples", file), "utf8");
  return profileOf(readText(text, { name: file.replace(/.*\/|\.json$/g, "") }));
}

/** A plan as it is read back from its file. */
function planned(...profiles: NodeProfile[]): PlanFile {
  const result = planPool(profiles);
  if (!result.ok) throw new Error("must plan");
  const document = readDocument(JSON.parse(prettyJson(planToJson(result.plan))), "plan");
  if (document.kind !== "plan") throw new Error("must be a plan");
  return document.plan;
}

const CLX = example("bug-report-pool/xeon-silver-4216.json");
const ICX = example("bug-report-pool/xeon-silver-4314.json");
const PLAN = planned(CLX, ICX);
const WORD = guestWord(PLAN);

test("a guest CPU's word stays when nodes and templates come and go, and differs from another's", () => {
  expect(WORD).toMatch(/^evenkeel-[0-9a-f]{16}$/);
  const again = planned(ICX, CLX, { ...CLX, name: "another" });
  expect(guestWord(again)).toBe(WORD);
  const ofOne = planned(ICX);
  expect(guestWord(ofOne)).not.toBe(WORD);
  expect(guestWord(PLAN, "blue")).not.toBe(WORD);
  expect(guestWord(PLAN, "blue")).not.toBe(guestWord(PLAN, "green"));
});

test("an entry of zeros says what its absence says; any other bit makes another word", () => {
  const zero = { mask: 0xffff_ffff, value: 0 };
  const registers = { eax: zero, ebx: zero, ecx: zero, edx: zero };
  const empty = { leaf: 0x23, subleaf: 0, registers };
  const { guest } = PLAN;
  expect(guestWord({ ...PLAN, guest: { ...guest, cpuid: [...guest.cpuid, empty] } })).toBe(WORD);

  const decided = guest.cpuid.flatMap(({ registers: words }, entry) =>
    (["eax", "ebx", "ecx", "edx"] as const).flatMap((register) =>
      Array.from({ length: 32 }, (_, bit) => ({ entry, register, bit })).filter(
        ({ bit }) => ((words[register].mask >>> bit) & 1) === 1,
      ),
    ),
  );
  fc.assert(
    fc.property(fc.constantFrom(...decided), ({ entry, register, bit }) => {
      const cpuid = guest.cpuid.map((one, i) => {
        if (i !== entry) return one;
        const { mask, value } = one.registers[register];
        const flipped = { mask, value: (value ^ (1 << bit)) >>> 0 };
        return { ...one, registers: { ...one.registers, [register]: flipped } };
      });
      expect(guestWord({ ...PLAN, guest: { ...guest, cpuid } })).not.toBe(WORD);
    }),
  );
});

test("an MSR counts even where it is zero: without it, reading it faults", () => {
  const { guest } = PLAN;
  expect(guest.registers.length).toBeGreaterThan(0);
  const registers = [...guest.registers, { id: 0x1234, mask: 0xffn, value: 0n }];
  expect(guestWord({ ...PLAN, guest: { ...guest, registers } })).not.toBe(WORD);
});

function valuesOf(cpuinfo: string, key: string): string[] {
  const lines = cpuinfo.split("\n").filter((line) => line.split(":")[0]?.trim() === key);
  return lines.map((line) => line.slice(line.indexOf(":") + 1).trim());
}

test("a node's cpuinfo tells of the guest CPU, and of this machine in all else", () => {
  const own = fixture("cpuinfo.txt");
  const text = rewriteCpuinfo(own, cpuinfoGuest(PLAN, WORD)) ?? "";
  const processors = valuesOf(own, "processor");
  const all = (value: string) => processors.map(() => value);
  expect(valuesOf(text, "processor")).toEqual(processors);
  expect(valuesOf(text, "model")).toEqual(all(WORD));
  expect(valuesOf(text, "vendor_id")).toEqual(all("GenuineIntel"));
  expect(valuesOf(text, "cpu family")).toEqual(all("6"));
  expect(valuesOf(text, "stepping")).toEqual(all("7"));
  expect(valuesOf(text, "model name")).toEqual(all("Cascade Lake (evenkeel guest CPU)"));
  const [flags = ""] = valuesOf(text, "flags");
  for (const flag of ["pni", "cx16", "ibrs", "avx512f", "avx512_vnni", "nx"]) {
    expect(flags.split(" ")).toContain(flag);
  }
  for (const flag of ["avx512_vbmi2", "sha_ni", "gfni"])
    expect(flags.split(" ")).not.toContain(flag);
  for (const key of ["microcode", "physical id", "core id", "apicid", "siblings", "cache size"]) {
    expect(valuesOf(text, key)).toEqual(valuesOf(own, key));
  }
});

test("processors that come and go, come and go", () => {
  const [first = ""] = fixture("cpuinfo.txt").split("\n\n");
  const processor = (number: number) =>
    first.replace(/^processor\s*: \d+/, `processor\t: ${number}`);
  const guest = cpuinfoGuest(PLAN, WORD);
  for (const numbers of [[0], [0, 1, 2], [0, 2, 300]]) {
    const text = `${numbers.map(processor).join("\n\n")}\n\n`;
    expect(valuesOf(rewriteCpuinfo(text, guest) ?? "", "processor")).toEqual(numbers.map(String));
  }
});

test.each([
  ["nothing", ""],
  ["no processor", "Hardware\t: a board\n"],
  ["a processor without a model", "processor\t: 0\nvendor_id\t: GenuineIntel\n\n"],
])("%s is no half of an answer", (_, text) => {
  expect(rewriteCpuinfo(text, cpuinfoGuest(PLAN, WORD))).toBeUndefined();
});

test("aarch64 has no model, and gets one behind the part number that readers take for it", () => {
  const block = (n: number) =>
    `processor\t: ${n}\nBogoMIPS\t: 2100.00\nFeatures\t: fp asimd\nCPU implementer\t: 0x41\nCPU part\t: 0xd40\n`;
  const guest = { ...PLAN.guest, cpuid: [] };
  const plan: PlanFile = { ...PLAN, type: "aarch64", guest };
  const text = rewriteCpuinfo(`${block(0)}\n${block(1)}\n`, cpuinfoGuest(plan, "evenkeel-1")) ?? "";
  expect(valuesOf(text, "model")).toEqual(["evenkeel-1", "evenkeel-1"]);
  expect(valuesOf(text, "CPU part")).toEqual(["0xd40", "0xd40"]);
  expect(text.indexOf("model")).toBeGreaterThan(text.indexOf("CPU part"));
});
