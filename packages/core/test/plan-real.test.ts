import { describe, expect, test } from "vitest";
import type { Plan } from "../src/plan/plan.ts";
import { planPool } from "../src/plan/pools.ts";
import { compareStaticTemplates } from "../src/plan/assess-static.ts";
import type { NodeProfile } from "../src/profile/profile.ts";
import { formatTemplate } from "../src/template/format.ts";
import {
  naiveApply,
  naiveDifferences,
  naiveGuest,
  naiveHiddenWeaknesses,
  naiveUnbacked,
} from "./naive.ts";
import { fingerprint, hasSharedData, x86Fingerprints } from "./shared-data.ts";

function planned(profiles: readonly NodeProfile[]): Plan {
  const result = planPool(profiles);
  if (!result.ok) throw new Error(result.refusals.map(({ message }) => message).join("\n"));
  return result.plan;
}

function classOf(plan: Plan, name: string) {
  const found = plan.classes.find(({ nodeClass }) => nodeClass.nodes.includes(name));
  if (found === undefined) throw new Error(`${name} is in no class`);
  return found;
}

function lost(plan: Plan, name: string): string[] {
  return classOf(plan, name).givesUp.map((g) => g.name);
}

function checkGuests(profiles: readonly NodeProfile[], plan: Plan): void {
  const nodes = profiles.map(naiveGuest);
  const guests = profiles.map((profile, i) =>
    naiveApply(nodes[i] ?? new Map(), formatTemplate(classOf(plan, profile.name).template)),
  );
  for (const [i, guest] of guests.entries()) {
    expect(naiveDifferences(guests[0] ?? new Map(), guest)).toEqual([]);
    expect(naiveUnbacked(guest, nodes[i] ?? new Map())).toEqual([]);
    expect(naiveHiddenWeaknesses(guest, nodes)).toEqual([]);
  }
}

const CLX = "INTEL_CASCADELAKE_6.1";
const ICX = "INTEL_ICELAKE_6.1";
const SPR = "INTEL_SAPPHIRE_RAPIDS_6.1";

describe.skipIf(!hasSharedData)("pools of real fingerprints", () => {
  test("Cascade Lake and Ice Lake keep what both have and give up what one lacks", () => {
    const profiles = [fingerprint(CLX), fingerprint(ICX)];
    const plan = planned(profiles);
    checkGuests(profiles, plan);
    const kept =
      "AVX512F AVX512DQ AVX512CD AVX512BW AVX512VL AVX512_VNNI RDSEED ADX CLFLUSHOPT CLWB UMIP " +
      "PKU XSAVEC XGETBV1 XSAVES PREFETCHW PDPE1GB";
    expect(plan.guest.features).toEqual(expect.arrayContaining(kept.split(" ")));
    expect(lost(plan, CLX)).toEqual(["MPX"]);
    const gone =
      "DTES64 DS AVX512_IFMA SHA AVX512_VBMI AVX512_VBMI2 GFNI VAES VPCLMULQDQ AVX512_BITALG " +
      "AVX512_VPOPCNTDQ LA57 RDPID FSRM PSFD WBNOINVD";
    expect(lost(plan, ICX)).toEqual(gone.split(" "));
    expect(plan.united.map(({ name }) => name)).toEqual(["RRSBA"]);
    expect(plan.identity).toMatchObject({ family: 6, model: 85, stepping: 7 });
  });

  test("T2CL would give up all of AVX-512 on that pool, and more", () => {
    const comparison = compareStaticTemplates(planned([fingerprint(CLX), fingerprint(ICX)]))[0];
    expect(comparison?.name).toBe("T2CL");
    expect(comparison?.losesMore).toHaveLength(18);
    expect(comparison?.losesMore).toEqual(expect.arrayContaining(["AVX512F", "PDPE1GB", "XSAVES"]));
  });

  test("the same CPU on two kernels is one class where guests see no difference", () => {
    const profiles = [fingerprint(CLX), fingerprint("INTEL_CASCADELAKE_5.10")];
    const plan = planned(profiles);
    checkGuests(profiles, plan);
    expect(plan.classes).toHaveLength(1);
    expect(lost(plan, CLX)).toEqual([]);
    const [id] = plan.classes.map(({ nodeClass }) => nodeClass.id);
    expect(plan.moves.barred).toMatchObject([
      { rule: "kernel", moves: [{ from: [`${id}@6.1`], to: [`${id}@5.10`] }] },
    ]);
  });

  test("three Intel generations are united in RRSBA and FB_CLEAR", () => {
    const profiles = [fingerprint(CLX), fingerprint(ICX), fingerprint(SPR)];
    const plan = planned(profiles);
    checkGuests(profiles, plan);
    expect(plan.united.map(({ name }) => name)).toEqual(["FB_CLEAR", "RRSBA"]);
    const capabilities = plan.guest.registers.find(({ id }) => id === 0x10a);
    expect(capabilities?.value).toBe(0xc0aa0ebn);
    expect(lost(plan, SPR)).toEqual(expect.arrayContaining(["AMX_TILE", "FBSDP_NO", "ITS_NO"]));
    expect(lost(plan, SPR)).not.toContain("AVX512F");
  });

  test("Milan and Genoa keep VAES and lose AVX-512 with its state", () => {
    const [milan, genoa] = [fingerprint("AMD_MILAN_6.1"), fingerprint("AMD_GENOA_6.1")];
    const plan = planned([milan, genoa]);
    checkGuests([milan, genoa], plan);
    expect(lost(plan, milan.name)).toEqual([]);
    expect(lost(plan, genoa.name)).toContain("AVX512F");
    expect(plan.guest.features).toEqual(expect.arrayContaining(["VAES", "VPCLMULQDQ", "CLZERO"]));
    const xsave = plan.guest.cpuid.find(({ leaf, subleaf }) => leaf === 0xd && subleaf === 0);
    expect(xsave?.registers.eax.value).toBe(0x207);
    expect(xsave?.registers.ecx.value).toBe(0x988);
    expect(plan.identity).toMatchObject({ family: 25, model: 1, stepping: 1 });
  });

  test("all Intel fingerprints together are one pool", () => {
    const profiles = x86Fingerprints().filter(({ name }) => name.startsWith("INTEL"));
    const plan = planned(profiles);
    checkGuests(profiles, plan);
    expect(plan.level).toBe("x86-64-v4");
  });

  test("a pool of one class gives up nothing on any CPU", () => {
    for (const profile of x86Fingerprints()) {
      const plan = planned([profile]);
      expect([profile.name, lost(plan, profile.name)]).toEqual([profile.name, []]);
      expect([profile.name, plan.masked]).toEqual([profile.name, []]);
    }
  });

  test("vendors and architectures do not mix", () => {
    const mixed = planPool([fingerprint(CLX), fingerprint("AMD_MILAN_6.1")]);
    expect(mixed).toMatchObject({ ok: false, refusals: [{ code: "vendor" }] });
    const arches = planPool([fingerprint(CLX), fingerprint("ARM_NEOVERSE_V1_6.1")]);
    expect(arches).toMatchObject({ ok: false, refusals: [{ code: "architecture" }] });
  });
});
