import { describe, expect, test } from "vitest";
import { CoreError } from "../src/errors.ts";
import { ALL_LINES } from "../src/tables/releases.ts";
import { parseIdentity } from "../src/plan/identity.ts";
import type { Plan } from "../src/plan/plan.ts";
import { planPool } from "../src/plan/pools.ts";
import { API_BODY_LIMIT } from "../src/limits.ts";
import { prove } from "../src/plan/prove.ts";
import type { NodeProfile, OfferedCpu } from "../src/profile/profile.ts";
import { formatTemplate } from "../src/template/format.ts";
import { modelCpu as model, node } from "./arbitrary.ts";

function planned(profiles: readonly NodeProfile[], options?: Parameters<typeof planPool>[1]): Plan {
  const result = planPool(profiles, options);
  if (!result.ok) throw new Error(result.refusals.map(({ message }) => message).join("\n"));
  return result.plan;
}

const mixed = [node("clx", model("cascade-lake")), node("icx", model("ice-lake-sp"))];

test("a template hides by 0, keeps features by x and asserts weaknesses only", () => {
  const plan = planned(mixed);
  const icx = plan.classes.find(({ nodeClass }) => nodeClass.nodes.includes("icx"));
  const leaf7 = icx?.template.cpuidModifiers.find((m) => m.leaf === 7 && m.subleaf === 0);
  const ebx = leaf7?.modifiers.find(({ register }) => register === "ebx");
  const bit = (n: number) => ((ebx?.mask ?? 0) >>> n) & 1;
  expect([bit(21), bit(29), bit(14), bit(22)]).toEqual([1, 1, 1, 1]); // IFMA, SHA, MPX, reserved
  expect([bit(16), bit(5)]).toEqual([0, 0]); // AVX512F and AVX2 are kept, not asserted
  expect(ebx?.value).toBe(0);
  const capabilities = icx?.template.msrModifiers.find(({ addr }) => addr === 0x10a);
  expect((capabilities?.value ?? 0n) & (1n << 19n)).not.toBe(0n); // RRSBA
});

test("what Firecracker overwrites in every version is not in a template", () => {
  const template = planned(mixed).classes[0]?.template;
  const leaves = new Set(template?.cpuidModifiers.map(({ leaf }) => leaf));
  for (const leaf of [0xa, 0xb, 0x1f, 0x80000002, 0x80000005, 0x80000006]) {
    expect(leaves.has(leaf)).toBe(false);
  }
});

test("WAITPKG is cleared by the template whether or not Firecracker does so too", () => {
  const bitOf = (firecracker: readonly string[]) => {
    const plan = planned(mixed, { identity: "oldest", firecracker });
    const leaf7 = plan.classes[0]?.template.cpuidModifiers.find((m) => m.leaf === 7);
    return ((leaf7?.modifiers.find((m) => m.register === "ecx")?.mask ?? 0) >>> 5) & 1;
  };
  // Builds of 1.12 before the change show it, too.
  expect(bitOf(["1.16"])).toBe(1);
  expect(bitOf(["1.10", "1.16"])).toBe(1);
});

test("templates fit Firecracker's request limit", () => {
  for (const { template } of planned(mixed).classes) {
    expect(formatTemplate(template).length).toBeLessThan(API_BODY_LIMIT);
  }
});

test("classes that need the same template share one file", () => {
  const plan = planned([
    node("a", model("ice-lake-sp")),
    node("b", model("ice-lake-sp", ["ERMS", "FSRM"])),
  ]);
  expect(plan.classes).toHaveLength(2);
  expect(new Set(plan.classes.map(({ file }) => file))).toEqual(new Set(["templates/pool.json"]));
});

test("a state component without a user goes, and so does a feature without its base", () => {
  const plan = planned([node("a", model("sapphire-rapids", ["AVX512F"]))]);
  const reasons = new Map(plan.classes[0]?.givesUp.map(({ name, reason }) => [name, reason]));
  expect(reasons.get("AVX512BW")).toEqual({ kind: "requires", feature: "AVX512F" });
  const xcr0 = plan.guest.cpuid.find(({ leaf, subleaf }) => leaf === 0xd && subleaf === 0);
  expect((xcr0?.registers.eax.value ?? 0) & 0xe0).toBe(0);
});

test("an XSAVE layout that differs costs the component, with the reason", () => {
  const cpu = model("ice-lake-sp");
  const moved = cpu.cpuid.map((e) =>
    e.leaf === 0xd && e.subleaf === 9 ? { ...e, ebx: 0x980 } : e,
  );
  const plan = planned([node("a", cpu), node("b", { ...cpu, cpuid: moved })]);
  expect(plan.guest.features).not.toContain("PKU");
  expect(plan.guest.features).toContain("AVX512F");
});

test("a bit that no row names is masked and reported", () => {
  const cpu = model("ice-lake-sp");
  const odd = cpu.cpuid.map((e) => (e.leaf === 7 && e.subleaf === 1 ? { ...e, ebx: 1 << 30 } : e));
  const plan = planned([node("a", { ...cpu, cpuid: odd })]);
  expect(plan.masked.map(({ address }) => address)).toEqual(["CPUID.(EAX=07H,ECX=1):EBX[30]"]);
});

test("a leaf that no row names is hidden", () => {
  const cpu = model("granite-rapids");
  const unknown = { leaf: 0x1f + 6, subleaf: 0, flags: 0, eax: 7, ebx: 0, ecx: 0, edx: 0 };
  const known = { ...unknown, leaf: 0x24, flags: 1, eax: 0 };
  const cpuid = [...cpu.cpuid, known, unknown].map((e) => (e.leaf === 0 ? { ...e, eax: 0x25 } : e));
  const pool = [node("a", { ...cpu, cpuid }), node("b", cpu)];
  // Nobody can say what such a leaf announces, so that somebody has to accept it.
  expect(planPool(pool)).toMatchObject({ ok: false, refusals: [{ code: "verdict" }] });
  const plan = planned(pool, { identity: "oldest", firecracker: ALL_LINES, accept: "unknown" });
  expect(plan.masked.map(({ address }) => address)).toEqual(["CPUID.25H:EAX[2:0]"]);
  expect(plan.guest.cpuid.find(({ leaf }) => leaf === 0)?.registers.eax.value).toBe(0x1f);
});

test("a weakness that a class cannot show makes the pool impossible", () => {
  const cpu = model("cascade-lake");
  const without = {
    ...cpu,
    cpuid: cpu.cpuid.map((e) => (e.leaf === 7 ? { ...e, edx: (e.edx & ~(1 << 29)) >>> 0 } : e)),
    msrs: cpu.msrs.filter(({ addr }) => addr !== 0x10a),
  };
  const result = planPool([node("new", cpu), node("old", without)]);
  if (result.ok) throw new Error("must be refused");
  expect(result.refusals.map(({ code }) => code)).toContain("unreachable");
  expect(result.refusals[0]?.message).toContain("MSR 10AH");
});

test.each([
  ["a leaf", (cpu: OfferedCpu) => ({ ...cpu, cpuid: cpu.cpuid.filter((e) => e.leaf !== 0xd) })],
  ["MSRs", (cpu: OfferedCpu) => ({ ...cpu, msrs: [] })],
  [
    "a state component",
    (cpu: OfferedCpu) => ({ ...cpu, cpuid: cpu.cpuid.filter((e) => e.subleaf !== 5) }),
  ],
])("a profile that lacks %s is too incomplete", (_, cut) => {
  const result = planPool([node("a", cut(model("ice-lake-sp")))]);
  expect(result).toMatchObject({ ok: false, refusals: [{ code: "incomplete", nodes: ["a"] }] });
});

test("a profile that calls itself incomplete is refused with its reason", () => {
  const profile = { ...node("a", model("ice-lake-sp")), incomplete: ["no /dev/kvm"] };
  const result = planPool([profile]);
  if (result.ok) throw new Error("must be refused");
  expect(result.refusals[0]?.message).toContain("no /dev/kvm");
});

test("empty pools and duplicate node names are refused", () => {
  expect(() => planPool([])).toThrow(CoreError);
  const twice = [node("a", model("ice-lake-sp")), node("a", model("cascade-lake"))];
  expect(() => planPool(twice)).toThrow(/more than one node is named "a"/);
});

test("identity: kept, chosen, or the oldest", () => {
  const options = (identity: string) => ({
    identity: parseIdentity(identity),
    firecracker: ALL_LINES,
  });
  expect(planned(mixed, options("oldest")).identity).toMatchObject({ model: 85, stepping: 7 });
  expect(planned(mixed, options("6/0x55/4")).identity?.name).toBe("Skylake-SP");
  expect(planPool(mixed, options("keep"))).toMatchObject({ refusals: [{ code: "verdict" }] });
  const kept = planned(mixed, { ...options("keep"), accept: "insecure" });
  expect(kept.identity).toBeUndefined();
  expect(kept.residuals.filter(({ kind }) => kind === "identity").length).toBeGreaterThan(0);
  expect(kept.moves.accepted?.reasons.map(({ rule }) => rule)).toEqual(["identity"]);
  for (const bad of ["newest", "6/85", "6/85/16", "6/85/7/1", "-1/2/3", ""]) {
    expect(() => parseIdentity(bad)).toThrow(/not an identity/);
  }
});

test("an unknown model counts as the newest, and the plan says so", () => {
  const cpu = model("ice-lake-sp");
  const unknown = cpu.cpuid.map((e) => (e.leaf === 1 ? { ...e, eax: 0x000f06f1 } : e));
  const pool = [node("a", cpu), node("b", { ...cpu, cpuid: unknown })];
  const refused = planPool(pool);
  if (refused.ok) throw new Error("must be refused");
  expect(new Set(refused.refusals.map(({ code }) => code))).toEqual(new Set(["verdict"]));
  const plan = planned(pool, { identity: "oldest", firecracker: ALL_LINES, accept: "unknown" });
  expect(plan.identity).toMatchObject({ model: 106 });
  expect(plan.warnings[0]).toContain("is not known");
});

test("the proof finds a template that was tampered with", () => {
  const plan = planned(mixed);
  const emitted = plan.classes.map(({ nodeClass, template }) => ({
    nodeClass,
    template: { ...template, msrModifiers: [] },
  }));
  const { violations } = prove(emitted, plan.guest, ["1.16"]);
  expect(violations.map(({ address }) => address)).toContain("MSR 10AH");
  const absent = { leaf: 0x99, subleaf: 0, flags: 0, modifiers: [] };
  const broken = plan.classes.map(({ nodeClass, template }) => ({
    nodeClass,
    template: { ...template, cpuidModifiers: [...template.cpuidModifiers, absent] },
  }));
  expect(prove(broken, plan.guest, ["1.16"]).violations[0]).toMatchObject({
    address: "CPUID.99H",
    problem: "the class lacks it",
  });
});

test("moves to an older host kernel are barred, and only those", () => {
  const [a, b] = mixed;
  if (a === undefined || b === undefined) throw new Error("two nodes");
  const plan = planned([
    { ...a, host: { kernel: "5.10.255-x" } },
    { ...b, host: { kernel: "6.1.172-y" } },
  ]);
  const [older, newer] = plan.classes.map(({ nodeClass }) => nodeClass.id);
  expect(plan.moves.barred).toMatchObject([
    { rule: "kernel", severity: "unknown", moves: [{ from: [newer], to: [older] }] },
  ]);
});

describe("remedies", () => {
  const immune = "SBDR_SSDP_NO FBSDP_NO PSDP_NO".split(" ");

  test("a node without the remedy or immunity needs microcode before it joins", () => {
    const result = planPool([
      node("new", model("ice-lake-sp")),
      node("old", model("ice-lake-sp", ["FB_CLEAR", ...immune])),
    ]);
    if (result.ok) throw new Error("must refuse");
    const [refusal] = result.refusals;
    expect(refusal).toMatchObject({ code: "microcode", nodes: ["old"] });
    expect(refusal?.message).toContain("rely on FB_CLEAR (MSR 10AH[17]");
  });

  test("an immune node is promised the remedy with the others", () => {
    const plan = planned([
      node("exposed", model("cascade-lake")),
      node("immune", model("sapphire-rapids")),
    ]);
    expect(plan.united.map(({ name }) => name)).toContain("FB_CLEAR");
    expect(plan.proof.violations).toEqual([]);
  });
});
