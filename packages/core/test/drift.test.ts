import { describe, expect, test } from "vitest";
import { driftOf, type Drift } from "../src/drift/drift.ts";
import type { PlannedNode } from "../src/drift/planned.ts";
import type { CpuidEntry } from "../src/cpuid.ts";
import { prettyJson } from "../src/json/pretty.ts";
import { planToJson } from "../src/plan/file.ts";
import type { Plan } from "../src/plan/plan.ts";
import { planPool } from "../src/plan/pools.ts";
import type { NodeProfile } from "../src/profile/profile.ts";
import { readDocument } from "../src/read/document.ts";
import { modelCpu, node } from "./arbitrary.ts";
import { profileFrom, CPUID_TOOL } from "./raw-support.ts";
import { fingerprint, hasSharedData } from "./shared-data.ts";

const HOST = { kernel: "6.1.100" };

function profile(name: string, cpu: NodeProfile["cpu"]): NodeProfile {
  return { ...node(name, cpu), host: HOST, firecracker: ["1.14.1"], tsc: { khz: 2_000_000 } };
}

const CLX = profile("clx", modelCpu("cascade-lake"));
const ICX = profile("icx", modelCpu("ice-lake-sp"));

function planOf(...profiles: NodeProfile[]): Plan {
  const result = planPool(profiles);
  if (!result.ok) throw new Error("must plan");
  return result.plan;
}

/** What a plan's files say of one of its nodes. */
function plannedIn(plan: Plan, name: string): PlannedNode {
  const document = readDocument(JSON.parse(prettyJson(planToJson(plan))), "plan");
  const own = plan.classes.find(({ nodeClass }) => nodeClass.nodes.includes(name));
  if (document.kind !== "plan" || document.plan.type === "aarch64" || own === undefined) {
    throw new Error("must be an x86 plan with the node");
  }
  return { plan: document.plan, class: own.nodeClass.id, template: own.template };
}

const POOL = planOf(CLX, ICX);

/** The node with other registers in some entries. */
function altered(
  base: NodeProfile,
  edit: (entry: CpuidEntry) => Partial<CpuidEntry>,
  msrs: Record<number, bigint> = {},
): NodeProfile {
  const { cpu } = base;
  return {
    ...base,
    cpu: {
      ...cpu,
      cpuid: cpu.cpuid.map((entry) => ({ ...entry, ...edit(entry) })),
      msrs: cpu.msrs.map(({ addr, value }) => ({ addr, value: msrs[addr] ?? value })),
    },
  };
}

const at =
  (leaf: number, subleaf: number, change: (e: CpuidEntry) => Partial<CpuidEntry>) =>
  (e: CpuidEntry) =>
    e.leaf === leaf && e.subleaf === subleaf ? change(e) : {};

function names(found: readonly { readonly name: string }[]): string[] {
  return found.map(({ name }) => name);
}

function driftInPool(now: NodeProfile, before = ICX): Drift {
  return driftOf(before, now, plannedIn(POOL, before.name));
}

describe("nothing that guests see changed", () => {
  test("the same profile", () => {
    expect(driftOf(ICX, ICX)).toMatchObject({ outcome: "none", matters: false });
    expect(driftInPool(ICX)).toMatchObject({ outcome: "none", matters: false });
  });

  test("caches, clocks, boot and microcode are volatile, and say why", () => {
    const now = altered(
      { ...ICX, host: { ...HOST, microcode: "0x2" } },
      at(0x4, 0, () => ({ ecx: 0xfff })),
      { 0x8b: 2n << 32n, 0x3b: 77n },
    );
    const drift = driftOf(ICX, now);
    expect(drift).toMatchObject({ outcome: "none", matters: false });
    expect(names(drift.changes.ignored)).toEqual([
      "CACHE_PARAMETERS_ecx",
      "TSC_ADJUST_VALUE",
      "MICROCODE_REVISION",
      "microcode",
    ]);
    expect(drift.changes.ignored.every(({ reason }) => reason.length > 0)).toBe(true);
  });

  test("a step to the next tested kernel is no drift, a step back is", () => {
    const older = { ...ICX, host: { kernel: "5.10.200" } };
    expect(driftOf(older, ICX).matters).toBe(false);
    const back = driftOf(ICX, older);
    expect(back).toMatchObject({ outcome: "changed", matters: true });
    expect(back.snapshots.verdict).toBe("unknown");
  });
});

describe("the plan holds", () => {
  test("a lost feature that the plan gave up anyway", () => {
    const drift = driftInPool(
      altered(
        ICX,
        at(0x7, 0, (e) => ({ ecx: e.ecx & ~(1 << 8) })),
      ),
    );
    expect(names(drift.changes.seen)).toEqual(["GFNI"]);
    expect(drift).toMatchObject({ outcome: "template-holds", matters: false });
    expect(drift.plan?.class).not.toBe(drift.plan?.classNow);
  });

  test("a new bit in a word that the template masks", () => {
    const drift = driftInPool(
      altered(
        ICX,
        at(0x7, 0, (e) => ({ edx: e.edx | (1 << 14) })),
      ),
    );
    expect(names(drift.changes.seen)).toEqual(["SERIALIZE"]);
    expect(drift).toMatchObject({ outcome: "template-holds", matters: false });
  });

  test("a new leaf leaks through the old template, and the new one hides it", () => {
    const grown = altered(
      ICX,
      at(0x0, 0, () => ({ eax: 0x1e })),
    );
    const leaf = { leaf: 0x1e, subleaf: 0, flags: 1, eax: 0, ebx: 0x4010, ecx: 0, edx: 0 };
    const now = { ...grown, cpu: { ...grown.cpu, cpuid: [...grown.cpu.cpuid, leaf] } };
    const drift = driftInPool(now);
    expect(drift).toMatchObject({ outcome: "new-template", matters: true });
    expect(names(drift.plan?.leaks ?? [])).toEqual(["TMUL_LIMITS"]);
    expect(drift.snapshots.verdict).toBe("compatible");
    const template = drift.plan?.template;
    if (template === undefined) throw new Error("must have a template");
    const again = driftOf(now, now, { ...plannedIn(POOL, "icx"), template });
    expect(again).toMatchObject({ outcome: "none", matters: false });
  });

  test("a missing entry: no microVM starts with the old template", () => {
    const cpuid = ICX.cpu.cpuid.filter(({ leaf, subleaf }) => leaf !== 7 || subleaf === 0);
    const now = { ...ICX, cpu: { ...ICX.cpu, cpuid } };
    const drift = driftInPool(now);
    expect(drift).toMatchObject({ outcome: "new-template", matters: true });
    expect(drift.plan?.fatal).toContain("CPUID.(EAX=07H,ECX=2)");
    expect(drift.plan?.lost).toEqual([]);
  });

  test("a Firecracker release that the plan was not proven for", () => {
    const drift = driftInPool({ ...ICX, firecracker: ["1.14.1", "1.17.0"] });
    expect(drift.plan?.unproven).toEqual(["1.17.0"]);
    expect(drift).toMatchObject({ outcome: "none", matters: true });
  });
});

describe("the plan no longer holds", () => {
  test("a promised feature is gone, and the snapshots of the plan break", () => {
    const drift = driftInPool(
      altered(
        ICX,
        at(0x7, 0, (e) => ({ ebx: e.ebx & ~(1 << 5) })),
      ),
    );
    expect(drift).toMatchObject({ outcome: "plan-broken", matters: true });
    expect(names(drift.plan?.lost ?? [])).toEqual(["AVX2"]);
    expect(drift.plan?.template).toBeUndefined();
    expect(drift.snapshots.verdict).toBe("incompatible");
    expect(names(drift.snapshots.findings)).toContain("AVX2");
  });

  test("a weakness is announced that the other nodes' guests do not know of", () => {
    const caps = ICX.cpu.msrs.find(({ addr }) => addr === 0x10a)?.value ?? 0n;
    const drift = driftInPool(altered(ICX, () => ({}), { 0x10a: caps | (1n << 28n) }));
    expect(drift).toMatchObject({ outcome: "plan-broken", matters: true });
    expect(names(drift.plan?.leaks ?? [])).toEqual(["RFDS_CLEAR"]);
    // Ice Lake is immune (RFDS_NO), so that the guests of before need not know.
    expect(drift.snapshots.verdict).toBe("compatible");
  });
});

describe("without a plan", () => {
  test("guests see another CPU, and snapshots from before are judged", () => {
    const more = driftOf(
      ICX,
      altered(
        ICX,
        at(0x7, 0, (e) => ({ edx: e.edx | (1 << 14) })),
      ),
    );
    expect(more).toMatchObject({ outcome: "changed", matters: true });
    expect(more.snapshots.verdict).toBe("compatible");
    const less = driftOf(
      ICX,
      altered(
        ICX,
        at(0x7, 0, (e) => ({ ecx: e.ecx & ~(1 << 8) })),
      ),
    );
    expect(less.snapshots.verdict).toBe("incompatible");
  });
});

describe("nothing can be said", () => {
  test.each([
    ["an estimate", profileFrom(CPUID_TOOL), profileFrom(CPUID_TOOL), "is an estimate"],
    [
      "another vendor",
      ICX,
      { ...profileFrom(CPUID_TOOL), estimate: false },
      "differ in architecture or vendor",
    ],
    ["an incomplete profile", ICX, { ...ICX, incomplete: ["MSR 10AH"] }, "is incomplete: MSR 10AH"],
  ])("of %s", (_, before, now, reason) => {
    const drift = driftOf(before, now);
    expect(drift).toMatchObject({ outcome: "unknown", matters: true, plan: undefined });
    expect(drift.reasons.join()).toContain(reason);
  });
});

describe.skipIf(!hasSharedData)("real nodes", () => {
  // The body of a suite that is skipped runs all the same.
  const load = () =>
    [fingerprint("INTEL_CASCADELAKE_5.10"), fingerprint("INTEL_CASCADELAKE_6.1")] as const;

  test("Cascade Lake from 5.10 to 6.1: no guest sees it, with and without a plan", () => {
    const [old, now] = load();
    const pool = planOf(old, fingerprint("INTEL_ICELAKE_6.1"));
    expect(driftOf(old, now)).toMatchObject({ outcome: "none", matters: false });
    const drift = driftOf(old, now, plannedIn(pool, old.name));
    expect(drift).toMatchObject({ outcome: "none", matters: false });
    expect(drift.plan).toMatchObject({ leaks: [], lost: [], fatal: [] });
  });

  test("Ice Lake replaced by Sapphire Rapids under one name", () => {
    const [old] = load();
    const icx = fingerprint("INTEL_ICELAKE_6.1");
    const spr = { ...fingerprint("INTEL_SAPPHIRE_RAPIDS_6.1"), name: icx.name };
    const drift = driftOf(icx, spr, plannedIn(planOf(old, icx), icx.name));
    expect(drift.outcome).toBe("new-template");
    expect(drift.snapshots.verdict).toBe("compatible");
  });

  test("Sapphire Rapids replaced by Ice Lake: AMX is lost to the plan", () => {
    const spr = fingerprint("INTEL_SAPPHIRE_RAPIDS_6.1");
    const icx = { ...fingerprint("INTEL_ICELAKE_6.1"), name: spr.name };
    const drift = driftOf(spr, icx, plannedIn(planOf(spr), spr.name));
    expect(drift.outcome).toBe("plan-broken");
    expect(names(drift.plan?.lost ?? [])).toEqual(
      expect.arrayContaining(["AMX_TILE", "AVX512_FP16"]),
    );
    expect(drift.snapshots.verdict).toBe("incompatible");
  });
});
