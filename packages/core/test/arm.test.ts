import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decode } from "../src/inspect/decode.ts";
import { systemRegister } from "../src/tables/arm/field.ts";
import { ARM_FIELDS, armFields, armRegisterName } from "../src/tables/arm/lookup.ts";
import type { Plan } from "../src/plan/plan.ts";
import { planPool } from "../src/plan/pools.ts";
import { honours, writeField } from "../src/tables/merge-rules.ts";
import { compareArm } from "../src/verdict/arm.ts";
import { writability } from "../src/tables/arm/writable.ts";
import { fieldBits, readField } from "../src/bits.ts";
import type { ArmRegister } from "../src/cpuid.ts";
import { diffCpus } from "../src/inspect/diff.ts";
import { profileFields, stateOfPlan } from "../src/inspect/state.ts";
import { prettyJson } from "../src/json/pretty.ts";
import { planToJson } from "../src/plan/file.ts";
import type { NodeProfile } from "../src/profile/profile.ts";
import type { RegisterId } from "../src/tables/registers.ts";
import { stateOfCpu } from "../src/profile/state.ts";
import { readDocument } from "../src/read/document.ts";
import { applyWideBitmap } from "../src/template/bitmap.ts";
import {
  armCpu,
  armPool,
  armRegisters,
  planUnjudged,
  TAKES_ALL,
  triedNode,
} from "./arm-arbitrary.ts";
import { fingerprint, hasSharedData } from "./shared-data.ts";

function planned(profiles: readonly NodeProfile[]): Plan {
  const result = planUnjudged(profiles);
  if (!result.ok) throw new Error(result.refusals.map(({ message }) => message).join("\n"));
  return result.plan;
}

function classOf(plan: Plan, name: string) {
  const found = plan.classes.find(({ nodeClass }) => nodeClass.nodes.includes(name));
  if (found === undefined) throw new Error(`${name} is in no class`);
  return found;
}

/** What a guest of the node sees: its template applied, nothing else. */
function guestOf(plan: Plan, { name, cpu }: NodeProfile): ArmRegister[] {
  const modifiers = classOf(plan, name).template.regModifiers;
  return cpu.registers.map(({ id, value }) => {
    const modifier = modifiers.find(({ addr }) => addr === id);
    return { id, value: modifier === undefined ? value : applyWideBitmap(value, modifier) };
  });
}

/** The guest of a plan; what nodes keep reads as zero. */
function registersOf({ guest }: Plan): ArmRegister[] {
  return guest.registers.map(({ id, value }) => ({ id: BigInt(id), value }));
}

function verdicts(registers: readonly ArmRegister[], node: NodeProfile) {
  return compareArm({ registers, kernel: node.host.kernel }, node);
}

describe("rows", () => {
  test("names are unique within a register, and no two rows cover a bit", () => {
    const names = ARM_FIELDS.map(({ register, name }) => `${register}.${name}`);
    expect(names.filter((name, i) => names.indexOf(name) !== i)).toEqual([]);
    for (const { id } of ARM_FIELDS) {
      const masks = armFields(id).map(fieldBits);
      expect(masks.reduce((a, b) => a + b, 0n)).toBe(masks.reduce((a, b) => a | b, 0n));
    }
  });

  test("KVM's register ids", () => {
    expect(systemRegister(3, 0, 0, 4, 0)).toBe(0x6030_0000_0013_c020n);
    expect(armRegisterName(0x6030_0000_0013_c020n)).toBe("ID_AA64PFR0_EL1");
    expect(armRegisterName(0x6030_0000_0013_d801n)).toBe("CTR_EL0");
    expect(armRegisterName(0x6030_0000_0013_c02an)).toBe("S3_0_C0_C5_2");
  });

  test("what a template may write depends on the kernel", () => {
    const since = (name: string, distribution?: string) => {
      const field = ARM_FIELDS.find((f) => `${f.register}.${f.name}` === name);
      return field === undefined ? undefined : writability(field, distribution)?.since;
    };
    expect(since("ID_AA64PFR0_EL1.CSV3")).toBe("5.11");
    expect(since("ID_AA64ISAR0_EL1.SHA3")).toBe("6.7");
    expect(since("ID_AA64ISAR0_EL1.SHA3", "amzn2023")).toBe("6.1");
    expect(since("ID_AA64PFR0_EL1.SVE")).toBeUndefined();
    expect(since("ID_AA64MMFR2_EL1.CCIDX")).toBeUndefined();
    expect(since("ID_MMFR4_EL1.CCIDX")).toBe("6.18");
  });
});

describe("a plan of any pool", () => {
  test("all guests are the same where it is decided, and backed by their nodes", () => {
    fc.assert(
      fc.property(armPool, (profiles) => {
        const plan = planned(profiles);
        for (const profile of profiles) {
          const guest = new Map<RegisterId, bigint>(
            guestOf(plan, profile).map(({ id, value }) => [id, value]),
          );
          for (const { id, mask, value } of plan.guest.registers) {
            expect((guest.get(id) ?? 0n) & mask).toBe(value);
          }
          for (const { id, value } of profile.cpu.registers) {
            for (const field of armFields(id)) {
              const [offered, seen] = [value, guest.get(id) ?? 0n].map((w) => readField(w, field));
              expect(honours(offered ?? 0n, seen ?? 0n, field)).toBe(true);
            }
          }
        }
      }),
      { numRuns: 60 },
    );
  });

  test("a guest of one node may resume on every other: no finding but who the CPU is", () => {
    fc.assert(
      fc.property(armPool, (profiles) => {
        const plan = planned(profiles);
        const [first, ...others] = profiles;
        if (first === undefined) return;
        for (const other of others) {
          const rules = verdicts(guestOf(plan, first), other).map(({ rule }) => rule);
          const free = new Set(["arm/identity", "arm/invariant", "arm/caches"]);
          expect(rules.filter((rule) => !free.has(rule))).toEqual([]);
        }
      }),
      { numRuns: 60 },
    );
  });

  test("the order of the profiles does not matter", () => {
    fc.assert(
      fc.property(armPool, (profiles) => {
        const turned = planToJson(planned(profiles.toReversed()));
        expect(turned).toEqual(planToJson(planned(profiles)));
      }),
      { numRuns: 40 },
    );
  });

  test("adding a node never adds", () => {
    fc.assert(
      fc.property(armPool, armCpu, (profiles, cpu) => {
        const before = registersOf(planned(profiles));
        const more = triedNode("one-more", cpu, TAKES_ALL);
        const after = registersOf(planned([...profiles, more]));
        expect(verdicts(after, triedNode("before", before, TAKES_ALL))).toEqual([]);
      }),
      { numRuns: 40 },
    );
  });

  test("planning a plan's own output changes nothing", () => {
    fc.assert(
      fc.property(armPool, (profiles) => {
        const plan = planned(profiles);
        const again = planned(profiles.map((p) => triedNode(p.name, guestOf(plan, p), TAKES_ALL)));
        expect(again.guest).toEqual(plan.guest);
        expect(again.classes.flatMap(({ template }) => template.regModifiers)).toEqual([]);
      }),
      { numRuns: 40 },
    );
  });
});

test("signs, variants and granules merge by their own rules", () => {
  const a = armRegisters({
    "ID_AA64PFR0_EL1.FP": 15n,
    "ID_AA64ISAR1_EL1.APA": 1n,
    "ID_AA64MMFR1_EL1.SpecSEI": 1n,
    "CTR_EL0.CWG": 4n,
    "CTR_EL0.ERG": 0n,
    "CTR_EL0.L1Ip": 3n,
  });
  const b = armRegisters({
    "ID_AA64PFR0_EL1.FP": 1n,
    "ID_AA64ISAR1_EL1.APA": 5n,
    "CTR_EL0.CWG": 5n,
    "CTR_EL0.ERG": 4n,
    "CTR_EL0.L1Ip": 2n,
  });
  const plan = planned([triedNode("a", a, TAKES_ALL), triedNode("b", b, TAKES_ALL)]);
  const fields = decode(stateOfPlan(plan), true).filter(({ group }) => group !== "AArch32");
  const value = (name: string) => fields.find((f) => f.name === name)?.value;
  expect(["FP", "APA", "SpecSEI", "CWG", "ERG", "L1Ip"].map(value)).toEqual([
    15n,
    0n,
    1n,
    5n,
    0n,
    2n,
  ]);
  expect(plan.united.map(({ name }) => name)).toEqual(["SpecSEI"]);
});

test("what belongs to SVE goes with SVE, and bits without a row are masked", () => {
  const sve = { "ID_AA64PFR0_EL1.SVE": 1n, "ID_AA64ZFR0_EL1.BF16": 1n };
  const odd = armRegisters({ "ID_AA64ZFR0_EL1.BF16": 1n }).map(({ id, value }) =>
    id === systemRegister(3, 0, 0, 6, 0) ? { id, value: value | 1n } : { id, value },
  );
  const plan = planned([
    triedNode("a", armRegisters(sve), TAKES_ALL),
    triedNode("b", odd, TAKES_ALL),
  ]);
  const gone = classOf(plan, "a").givesUp.map(({ name, reason }) => [name, reason]);
  expect(gone).toEqual([
    ["SVE", { kind: "absent" }],
    ["BF16", { kind: "unused", by: ["SVE", "SME"] }],
  ]);
  expect(plan.warnings.join("\n")).toMatch(/clears bits of unknown meaning/);
  expect(plan.masked).toEqual([
    { address: "ID_AA64ISAR0_EL1[0]", classes: [classOf(plan, "b").nodeClass.id] },
  ]);
});

test("a profile without the main ID registers is refused", () => {
  const result = planPool([
    triedNode("a", [{ id: systemRegister(3, 0, 0, 0, 0), value: 1n }], TAKES_ALL),
  ]);
  expect(result).toMatchObject({ ok: false, refusals: [{ code: "incomplete", nodes: ["a"] }] });
});

/** The same node with less in ID_AA64ISAR0_EL1. */
function lessened(
  node: NodeProfile,
  ...changes: readonly (readonly [name: string, value: bigint])[]
): NodeProfile {
  const id = systemRegister(3, 0, 0, 6, 0);
  const registers = node.cpu.registers.map((register) => {
    if (register.id !== id) return register;
    const value = changes.reduce((word, [name, to]) => {
      const field = armFields(id).find((f) => f.name === name);
      return field === undefined ? word : writeField(word, field, to);
    }, register.value);
    return { id, value };
  });
  return { ...node, name: "less", cpu: { ...node.cpu, registers } };
}

describe.skipIf(!hasSharedData)("Neoverse N1 and V1", () => {
  const [n1, v1] = ["ARM_NEOVERSE_N1_6.1", "ARM_NEOVERSE_V1_6.1"] as const;

  test("are no pool: no kernel lets a template write what only one has", () => {
    const result = planPool([fingerprint(n1), fingerprint(v1)]);
    if (result.ok) throw new Error("must be refused");
    expect(result.refusals).toEqual([expect.objectContaining({ code: "unwritable", nodes: [v1] })]);
    expect(result.refusals[0]?.message).toMatch(
      /cannot hide RAS .* no Linux up to 6\.18 accepts it/,
    );
  });

  test("V1 keeps what a lesser V1 has, and gives up by name what that one lacks", () => {
    const whole = { ...fingerprint(v1), name: "whole", host: { kernel: "6.18.30" } };
    const less = lessened(whole, ["SHA2", 1n], ["SHA3", 0n], ["RNDR", 0n]);
    const plan = planned([whole, less]);
    const kept = "FP AdvSIMD AES SHA1 SHA2 CRC32 Atomic RDM DP DPB LRCPC SSBS BF16 I8MM";
    expect(plan.guest.features).toEqual(expect.arrayContaining(kept.split(" ")));
    const lost = classOf(plan, "whole").givesUp.map(
      ({ name, from, to }) => `${name} ${from} ${to}`,
    );
    expect(lost).toEqual(["SHA2 2 1", "SHA3 1 0", "RNDR 1 0"]);
    expect([plan.masked, plan.residuals, plan.warnings]).toEqual([[], [], []]);
    for (const from of [whole, less]) {
      for (const to of [whole, less]) expect(verdicts(guestOf(plan, from), to)).toEqual([]);
    }
    const document = readDocument(JSON.parse(prettyJson(planToJson(plan))), "x");
    expect(document).toMatchObject({ kind: "plan", plan: { type: "aarch64", guest: plan.guest } });
  });

  test("neither shows SVE to a guest that did not ask for it", () => {
    for (const name of [n1, v1]) {
      const fields = profileFields(fingerprint(name).cpu)?.map((f) => f.name);
      expect(fields).not.toContain("SVE");
    }
  });

  test("a pool of one gives up nothing and writes nothing", () => {
    for (const name of [n1, v1]) {
      const plan = planned([fingerprint(name)]);
      expect(plan.classes[0]?.givesUp).toEqual([]);
      expect(plan.classes[0]?.template.regModifiers).toEqual([]);
    }
  });

  test("are compared by name", () => {
    const [a, b] = [n1, v1].map((name) => stateOfCpu(fingerprint(name).cpu));
    if (a === undefined || b === undefined) throw new Error("aarch64 is known");
    const differences = diffCpus(a, b);
    expect(differences.find(({ name }) => name === "SHA3")).toMatchObject({
      address: "ID_AA64ISAR0_EL1[35:32]",
      a: "0",
      b: "1",
    });
  });
});
