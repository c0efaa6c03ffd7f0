/** What a resume on aarch64 needs: that KVM takes every register of the snapshot. */
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { systemRegister } from "../src/tables/arm/field.ts";
import { ARM_FIELDS } from "../src/tables/arm/lookup.ts";
import { planPool } from "../src/plan/pools.ts";
import { compareArm } from "../src/verdict/arm.ts";
import { predictContract } from "../src/contract/make.ts";
import type { ArmRegister } from "../src/cpuid.ts";
import { armBuiltInTemplate } from "../src/firecracker/built-in.ts";
import { lintTemplate } from "../src/lint/lint.ts";
import type { NodeProfile } from "../src/profile/profile.ts";
import { readDocument } from "../src/read/document.ts";
import { formatProfile } from "../src/profile/file.ts";
import { EMPTY_TEMPLATE, type CpuTemplate } from "../src/template/template.ts";
import { matrixEntries } from "../src/verdict/entries.ts";
import { judge } from "../src/verdict/judge.ts";
import {
  armCpu,
  armNode,
  armRegisters,
  planUnjudged,
  TAKES_ALL,
  triedNode,
} from "./arm-arbitrary.ts";
import { fingerprint, hasSharedData, sharedFiles } from "./shared-data.ts";

const MIDR = { "MIDR_EL1.MIDR": 0x411f_d401n };

function cpu(values: Readonly<Record<string, bigint>>): ArmRegister[] {
  return armRegisters({ ...MIDR, ...values });
}

/** `rule severity name` of every finding. */
function found(registers: readonly ArmRegister[], node: NodeProfile): string[] {
  return compareArm({ registers, kernel: node.host.kernel }, node).map(
    ({ rule, severity, name }) => `${rule} ${severity} ${name}`,
  );
}

const ISAR0 = systemRegister(3, 0, 0, 6, 0);
const SHA3 = { id: ISAR0, hi: 35, lo: 32 };

describe("a field of an ID register", () => {
  const small = cpu({ "ID_AA64ISAR0_EL1.SHA3": 0n });
  const large = cpu({ "ID_AA64ISAR0_EL1.SHA3": 1n });

  test("that is the same has no finding under any kernel", () => {
    for (const kernel of ["5.10.1", "6.1.0", "6.18.0", "odd"]) {
      expect(found(large, armNode("n", large, kernel))).toEqual([]);
    }
  });

  test("that is less than the node's must be writable in KVM", () => {
    expect(found(small, armNode("n", large, "6.18.0"))).toEqual([]);
    expect(found(small, armNode("n", large, "6.7.0"))).toEqual([]);
    expect(found(small, armNode("n", large, "6.6.0"))).toEqual(["arm/write unknown SHA3"]);
    expect(found(small, armNode("n", large, "odd"))).toEqual(["arm/write unknown SHA3"]);
    expect(found(small, armNode("n", large, "6.1.90-1.amzn2023.aarch64"))).toEqual([]);
  });

  test("that is more than the node's is refused, also for a mitigation or a hint", () => {
    const promised = cpu({
      "ID_AA64ISAR0_EL1.SHA3": 1n,
      "ID_AA64ISAR1_EL1.DGH": 1n,
      "ID_AA64PFR0_EL1.CSV2": 1n,
    });
    expect(found(promised, armNode("n", small))).toEqual([
      "arm/lower incompatible CSV2",
      "arm/lower incompatible SHA3",
      "arm/lower incompatible DGH",
    ]);
  });

  test("that no kernel lets be written must be equal", () => {
    const ccidx = cpu({ "ID_AA64MMFR2_EL1.CCIDX": 1n });
    const none = cpu({});
    const expected = ["arm/write incompatible CCIDX"];
    expect(found(none, armNode("n", ccidx, "6.18.0"))).toEqual(expected);
    expect(found(none, armNode("n", ccidx, "6.1.0"))).toEqual(expected);
    expect(found(none, armNode("n", ccidx, "7.9.0"))).toEqual(
      expected.map((text) => text.replace("incompatible", "unknown")),
    );
  });

  test("of AArch32 is fully writable on new kernels, and perhaps on patched older ones", () => {
    const more = cpu({ "ID_ISAR5_EL1.SHA2": 1n });
    expect(found(cpu({}), armNode("n", more, "6.18.0"))).toEqual([]);
    expect(found(cpu({}), armNode("n", more, "6.12.0"))).toEqual(["arm/write unknown SHA2"]);
  });

  test("is judged by the node's trial before its kernel", () => {
    const taken = [{ ...SHA3, values: [0n], ignored: [] }];
    expect(found(small, triedNode("n", large, taken))).toEqual([]);
    expect(found(small, triedNode("n", large, [], "6.18.0"))).toEqual([
      "arm/write incompatible SHA3",
    ]);
    expect(found(large, triedNode("n", small, TAKES_ALL))).toEqual(["arm/lower incompatible SHA3"]);
  });

  test("has a smallest value of its own", () => {
    const now = cpu({ "ID_AA64DFR0_EL1.DebugVer": 9n });
    const old = cpu({ "ID_AA64DFR0_EL1.DebugVer": 6n });
    expect(found(old, armNode("n", now))).toEqual([]);
    expect(found(cpu({ "ID_AA64DFR0_EL1.DebugVer": 5n }), armNode("n", now))).toEqual([
      "arm/write incompatible DebugVer",
    ]);
  });

  test("that old KVMs showed by mistake is ignored by newer ones on the same CPU", () => {
    const shown = cpu({ "ID_AA64PFR0_EL1.MPAM": 1n, "ID_AA64MMFR2_EL1.NV": 2n });
    const hidden = cpu({});
    expect(found(shown, armNode("n", hidden, "6.18.0"))).toEqual([
      "arm/lower note MPAM",
      "arm/lower note NV",
    ]);
    expect(found(shown, armNode("n", hidden, "6.12.0"))).toEqual([
      "arm/lower incompatible MPAM",
      "arm/lower incompatible NV",
    ]);
    const other = hidden.map((r) =>
      r.id === systemRegister(3, 0, 0, 0, 0) ? { ...r, value: 5n } : r,
    );
    expect(found(shown, armNode("n", other, "6.18.0"))).toContain("arm/lower incompatible MPAM");
    const tried = { id: systemRegister(3, 0, 0, 4, 0), hi: 43, lo: 40, values: [], ignored: [1n] };
    expect(found(shown, triedNode("n", hidden, [tried]))).toEqual([
      "arm/lower note MPAM",
      "arm/lower incompatible NV",
    ]);
  });
});

/** KVM_SET_ONE_REG as its trial recorded it, register by register and bit by bit: a second opinion. */
function naiveRestore(snapshot: readonly ArmRegister[], node: NodeProfile): boolean {
  return snapshot.every(({ id, value }) => {
    // A vCPU's place, which every VMM sets: KVM takes any.
    if (id === systemRegister(3, 0, 0, 0, 5)) return true;
    const own = node.cpu.registers.find((register) => register.id === id)?.value ?? -1n;
    let rest = own;
    for (const field of node.kvm?.takenFields ?? []) {
      if (field.id !== id) continue;
      const width = BigInt(field.hi - field.lo + 1);
      const part = (value >> BigInt(field.lo)) & ((1n << width) - 1n);
      const mask = ((1n << width) - 1n) << BigInt(field.lo);
      if (field.values.includes(part)) rest = (rest & ~mask) | (part << BigInt(field.lo));
    }
    return rest === value;
  });
}

test("KVM takes every field that is compatible, and no other", () => {
  const small = fc.subarray(TAKES_ALL.filter(({ hi, lo }) => hi - lo === 3));
  const counts = { compatible: 0, refused: 0 };
  fc.assert(
    fc.property(armCpu, armCpu, small, fc.boolean(), (a, b, taken, isLess) => {
      // Half of the guests are of a lesser CPU, so that enough of them are taken.
      const least = a.map(({ id, value }, i) => ({ id, value: value & (b[i]?.value ?? 0n) }));
      const [guest, node] = [isLess ? least : b, triedNode("n", a, taken)];
      const worst = compareArm({ registers: guest, kernel: "6.1.0" }, node).filter(
        ({ severity }) => severity !== "note",
      );
      const isCompatible = worst.length === 0;
      counts[isCompatible ? "compatible" : "refused"]++;
      expect([isCompatible, isCompatible && naiveRestore(guest, node)]).toEqual([
        isCompatible,
        isCompatible,
      ]);
    }),
    { numRuns: 150 },
  );
  expect(Math.min(counts.compatible, counts.refused)).toBeGreaterThan(5);
});

describe("other registers", () => {
  test("another CPU model is refused, or unknown where the kernel can take an identity", () => {
    const other = armRegisters({ "MIDR_EL1.MIDR": 0x413f_d0c1n });
    const rules = (kernel: string) => found(other, armNode("n", cpu({}), kernel));
    expect(rules("6.1.0")).toEqual(["arm/identity note MIDR", "arm/invariant incompatible MIDR"]);
    expect(rules("6.18.0")).toEqual(["arm/identity note MIDR", "arm/invariant unknown MIDR"]);
  });

  test("general-purpose registers are always there, others only where listed", () => {
    const pc = { id: 0x6030_0000_0010_0040n, value: 7n };
    const pmu = { id: systemRegister(3, 3, 9, 12, 1), value: 7n };
    expect(found([...cpu({}), pc, pmu], armNode("n", cpu({})))).toEqual([
      `arm/missing incompatible S3_3_C9_C12_1`,
    ]);
    const beyond = { id: 0x6030_0000_0010_ffffn, value: 7n };
    expect(found([beyond], armNode("n", cpu({})))).toHaveLength(1);
  });

  test("bits without a row must be equal", () => {
    const odd = (bits: bigint) =>
      cpu({}).map((r) => (r.id === ISAR0 ? { ...r, value: r.value | bits } : r));
    expect(found(odd(3n), armNode("n", odd(3n)))).toEqual([]);
    expect(found(odd(3n), armNode("n", odd(1n)))).toEqual(["arm/reserved unknown reserved"]);
    expect(found(odd(0n), armNode("n", odd(1n)))).toEqual(["arm/reserved unknown reserved"]);
  });

  test("caches of another host are taken from Linux 6.3 on, if this CPU could have them", () => {
    const ctr = { "CTR_EL0.IminLine": 4n, "CTR_EL0.DminLine": 4n, "CTR_EL0.IDC": 1n };
    const caches = (clidr: bigint, ccsidr: bigint) => [
      ...cpu({ ...ctr, "CLIDR_EL1.CLIDR": clidr }),
      { id: 0x6020_0000_0011_0000n, value: ccsidr },
    ];
    const host = caches(0x8200_0023n, 0x701f_e01an);
    const own = (kernel: string) => armNode("n", caches(0x300_0123n, 2n), kernel);
    expect(found(host, own("6.18.0"))).toEqual([]);
    expect(found(host, own("6.1.0"))).toEqual([
      "arm/caches unknown CCSIDR",
      "arm/caches unknown CLIDR",
    ]);
    expect(found(caches(0x8200_0023n, 0x701f_e018n), own("6.18.0"))).toEqual([
      "arm/caches incompatible CCSIDR",
    ]);
  });

  test("firmware services are bits of their own, and a version is a number", () => {
    const node = cpu({
      "KVM_REG_ARM_STD_HYP_BMAP.STD_HYP_BMAP": 1n,
      "KVM_REG_ARM_VENDOR_HYP_BMAP.VENDOR_HYP_BMAP": 7n,
      "KVM_REG_ARM_PSCI_VERSION.PSCI_VERSION": 0x10003n,
      "KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_3.WORKAROUND_3": 1n,
    });
    const guest = cpu({
      "KVM_REG_ARM_VENDOR_HYP_BMAP.VENDOR_HYP_BMAP": 3n,
      "KVM_REG_ARM_PSCI_VERSION.PSCI_VERSION": 0x10001n,
      "KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_3.WORKAROUND_3": 2n,
    });
    expect(found(guest, armNode("n", node, "5.10.0"))).toEqual([
      "arm/lower incompatible WORKAROUND_3",
    ]);
  });

  test("a workaround's level: KVM takes a lower one from a snapshot, and keeps its own", () => {
    const level = (n: bigint) => cpu({ "KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_3.WORKAROUND_3": n });
    const field = { id: 0x6030_0000_0014_0003n, hi: 3, lo: 0 };
    const tried = triedNode("b", level(2n), [{ ...field, values: [], ignored: [0n, 1n] }]);
    for (const node of [armNode("b", level(2n)), tried]) {
      expect(found(level(1n), node)).toEqual([]);
      expect(planUnjudged([armNode("a", level(1n)), node])).toMatchObject({
        ok: false,
        refusals: [{ code: "unwritable", nodes: ["b"] }],
      });
    }
  });
});

test("a guest that was shown the CPU itself resumes only on that CPU under such a kernel", () => {
  const registers = [
    { id: systemRegister(3, 0, 0, 0, 0), value: 1n },
    { id: systemRegister(3, 0, 0, 0, 6), value: 2n },
  ];
  const node = { ...armNode("n", registers, "4.14.336"), firecracker: ["1.16.0"] };
  const contract = predictContract(node, { firecracker: "1.16.0", vcpus: 1, smt: false });
  if (!contract.ok) throw new Error("must boot");
  expect(judge(contract.contract, node).verdict).toBe("compatible");
  const other = registers.map(({ id }) => ({ id, value: 3n }));
  expect(judge(contract.contract, armNode("n", other, "4.14.1")).verdict).toBe("incompatible");
  expect(judge(contract.contract, armNode("n", registers, "6.1.0")).verdict).toBe("unknown");
  expect(planPool([node])).toMatchObject({ ok: false });
});

test("a trial survives being written and read", () => {
  const node = triedNode("n", cpu({}), [{ ...SHA3, values: [0n, 2n], ignored: [5n] }]);
  const document = readDocument(JSON.parse(formatProfile(node)), "n");
  if (document.kind !== "profile") throw new Error("must be a profile");
  expect(document.profile.kvm?.takenFields).toEqual(node.kvm?.takenFields);
});

describe("nodes in one entry", () => {
  const five = Array.from({ length: 5 }, (_, i) => armNode(`n${i}`, cpu({}), "6.1.0"));
  const entriesOf = (nodes: readonly NodeProfile[]) =>
    matrixEntries(nodes, (node) => {
      const made = predictContract(node, { firecracker: "1.16.0", vcpus: 1, smt: false });
      if (!made.ok) throw new Error("must boot");
      return made.contract;
    }).map(({ nodes: names }) => names.join());

  test("are alike; the program counter in a dump does not tell them apart", () => {
    const pc = { id: 0x6030_0000_0010_0040n, value: 7n };
    const odd = armNode("odd", [...cpu({}), pc], "6.1.0");
    expect(entriesOf([...five, odd])).toEqual(["n0,n1,n2,n3,n4,odd"]);
  });

  test("take the same writes, have the same caches and the same registers", () => {
    const others = [
      triedNode("tried", cpu({}), []),
      triedNode("taking", cpu({}), [{ ...SHA3, values: [1n], ignored: [] }]),
      armNode("amazon", cpu({}), "6.1.0-1.amzn2023.aarch64"),
      armNode("newer", cpu({}), "6.18.0"),
      armNode("caches", cpu({ "CLIDR_EL1.CLIDR": 3n }), "6.1.0"),
      armNode("more", [...cpu({}), { id: systemRegister(3, 3, 9, 12, 1), value: 0n }], "6.1.0"),
    ];
    expect(entriesOf([...five, ...others])).toHaveLength(7);
  });
});

describe("a plan of nodes that cannot write what it asks for", () => {
  const less = cpu({ "ID_AA64ISAR0_EL1.RDM": 1n });
  const more = cpu({ "ID_AA64ISAR0_EL1.RDM": 1n, "ID_AA64ISAR0_EL1.SHA3": 1n });

  test("is refused by the trial, and names the nodes and the field", () => {
    const result = planUnjudged([triedNode("a", less, []), triedNode("b", more, [])]);
    if (result.ok) throw new Error("must be refused");
    expect(result.refusals).toMatchObject([{ code: "unwritable", nodes: ["b"] }]);
    expect(result.refusals[0]?.message).toMatch(
      /^b .* cannot hide SHA3 \(ID_AA64ISAR0_EL1\): its KVM refuses the value/,
    );
  });

  test("warns where only the kernel's release is known and may carry patches", () => {
    const result = planUnjudged([armNode("a", less, "6.1.0"), armNode("b", more, "6.1.0")]);
    if (!result.ok) throw new Error("must plan");
    expect(result.plan.warnings).toEqual([
      expect.stringMatching(/b.*SHA3.*\(Linux accepts it since 6\.7; the node runs 6\.1/),
    ]);
  });

  test("ignores what KVM ignores: nodes before and after a kernel update are one pool", () => {
    const old = cpu({ "ID_AA64PFR0_EL1.MPAM": 1n, "ID_AA64DFR0_EL1.DebugVer": 6n });
    const now = cpu({ "ID_AA64DFR0_EL1.DebugVer": 9n });
    const nodes = [armNode("old", old, "6.1.0"), armNode("now", now, "6.18.0")] as const;
    const result = planUnjudged(nodes);
    if (!result.ok) throw new Error("must plan");
    const templates = result.plan.classes.map(({ template }) => template.regModifiers.length);
    expect(new Set(templates)).toEqual(new Set([0, 1]));
    expect(result.plan.residuals).toMatchObject([{ address: "ID_AA64PFR0_EL1[43:40]" }]);
  });
});

describe("lint", () => {
  const node = armNode("n", cpu({ "ID_AA64ISAR0_EL1.SHA3": 1n }), "6.1.0");
  const bits = (addr: bigint, mask: bigint, value: bigint): CpuTemplate => ({
    ...EMPTY_TEMPLATE,
    regModifiers: [{ addr, mask, value }],
  });
  const lint = (template: CpuTemplate, profile: NodeProfile, armBuiltIn?: string) =>
    lintTemplate({ template, builtIn: undefined, armBuiltIn }, profile, ["1.16"])
      ?.filter(({ severity }) => severity !== "note")
      .map(({ rule, severity }) => `${rule} ${severity}`);

  test("says what a node's KVM does not let a template write", () => {
    const hides = bits(ISAR0, 0xfn << 32n, 0n);
    expect(lint(hides, node)).toEqual(["unwritable warning"]);
    expect(lint(hides, armNode("n", node.cpu.registers, "6.18.0"))).toEqual([]);
    expect(lint(hides, triedNode("n", node.cpu.registers, []))).toEqual(["unwritable error"]);
    expect(lint(bits(systemRegister(3, 0, 0, 0, 0), 1n, 0n), node)).toEqual(["unwritable error"]);
    expect(lint(bits(ISAR0, 1n, 1n), node)).toEqual(["unwritable warning"]);
  });

  test("knows what is for another architecture or CPU", () => {
    const v1n1 = armBuiltInTemplate("V1N1");
    if (v1n1 === undefined) throw new Error("is built in");
    const n1 = armNode("n", armRegisters({ "MIDR_EL1.MIDR": 0x413f_d0c1n }));
    expect(lint(v1n1, n1, "V1N1")).toContain("static-model error");
    expect(lint(v1n1, node, "V1N1")).not.toContain("static-model error");
    const x86 = { ...EMPTY_TEMPLATE, msrModifiers: [{ addr: 0x10a, mask: 1n, value: 0n }] };
    expect(lint(x86, node)).toEqual(["architecture error"]);
  });

  test.skipIf(!hasSharedData)(
    "V1N1 on Ice Lake is an error, on N1 as well, on V1 it is right",
    () => {
      const v1n1 = armBuiltInTemplate("V1N1") ?? EMPTY_TEMPLATE;
      expect(lint(v1n1, fingerprint("INTEL_ICELAKE_6.1"), "V1N1")).toContain("architecture error");
      expect(lint(v1n1, fingerprint("ARM_NEOVERSE_N1_6.1"), "V1N1")).toEqual([
        "static-model error",
      ]);
      expect(lint(v1n1, fingerprint("ARM_NEOVERSE_V1_6.1"), "V1N1")).toEqual([]);
    },
  );
});

describe.skipIf(!hasSharedData)("every aarch64 node that is known", () => {
  const files = ["fingerprints", "fingerprints/history", "real"].flatMap(sharedFiles);
  const nodes = files.flatMap((file) => {
    const name = basename(file, ".json");
    const document = readDocument(JSON.parse(readFileSync(file, "utf8")), name);
    if (document.kind !== "profile" || document.profile.cpu.arch !== "aarch64") return [];
    return [{ ...document.profile, name }];
  });
  const contractOf = (node: NodeProfile) => {
    const made = predictContract(node, { firecracker: "1.16.0", vcpus: 2, smt: false });
    if (!made.ok) throw new Error(`${node.name} must boot`);
    return made.contract;
  };
  const on = (node: NodeProfile) => ({ ...node, firecracker: ["1.16.0"] });
  const named = (part: string) => {
    const node = nodes.find(({ name }) => name.includes(part));
    if (node === undefined) throw new Error(`${part} is not there`);
    return on(node);
  };

  test("is compatible with itself, under V1N1 as well", () => {
    expect(nodes.length).toBeGreaterThan(5);
    for (const node of nodes) {
      const { verdict, findings } = judge(contractOf(node), on(node));
      expect([node.name, verdict, findings]).toEqual([node.name, "compatible", []]);
    }
    const v1 = named("NEOVERSE_V1_6.1");
    const template = armBuiltInTemplate("V1N1") ?? EMPTY_TEMPLATE;
    const made = predictContract(v1, { firecracker: "1.16.0", vcpus: 2, smt: false, template });
    expect(made.ok && judge(made.contract, v1).verdict).toBe("compatible");
  });

  test("is incompatible with another CPU: N1 lacks SHA3 and has another model", () => {
    const { verdict, findings } = judge(contractOf(named("V1_6.1")), named("N1_6.1"));
    expect(verdict).toBe("incompatible");
    const incompatible = findings.filter(({ severity }) => severity === "incompatible");
    expect(incompatible.map(({ name }) => name)).toEqual(expect.arrayContaining(["SHA3", "MIDR"]));
  });

  test("V2 before and after ECBHB is shown: never back, and forward only where it can be written", () => {
    const [before, after] = [named("V2_6.1__02"), named("V2_6.1__03")];
    expect(judge(contractOf(before), after).verdict).toBe("unknown");
    expect(judge(contractOf(after), before).verdict).toBe("incompatible");
    const tried = { ...after, kvm: triedNode("n", [], []).kvm ?? undefined };
    const { kvm } = tried;
    if (kvm === undefined) throw new Error("was tried");
    expect(judge(contractOf(before), { ...after, kvm }).verdict).toBe("incompatible");
  });

  test("every field that it shows has a row", () => {
    const reserved = nodes.flatMap((node) =>
      judge(contractOf(node), on(node)).findings.filter(({ rule }) => rule === "arm/reserved"),
    );
    expect(reserved).toEqual([]);
    expect(ARM_FIELDS.length).toBeGreaterThan(300);
  });
});
