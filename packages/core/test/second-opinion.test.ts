/** The second opinion on everything that is shared: pairs, changed pairs, gaps, pools. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { predictContract } from "../src/contract/make.ts";
import type { CpuContract } from "../src/contract/contract.ts";
import type { CpuidEntry } from "../src/cpuid.ts";
import { planPool } from "../src/plan/pools.ts";
import type { NodeProfile } from "../src/profile/profile.ts";
import { formatTemplate } from "../src/template/format.ts";
import { EMPTY_TEMPLATE, type CpuTemplate } from "../src/template/template.ts";
import { judge } from "../src/verdict/judge.ts";
import { naiveArmUnsafe } from "./naive-arm.ts";
import { naiveMissing, naiveUnsafe } from "./naive-verdict.ts";
import {
  naiveApply,
  naiveDifferences,
  naiveGuest,
  naiveHiddenWeaknesses,
  naiveUnbacked,
  type NaiveGuest,
} from "./naive.ts";
import { allFingerprints, hasSharedData } from "./shared-data.ts";

const RELEASE = "1.14.1";
const ALL = hasSharedData ? allFingerprints(RELEASE) : [];
const X86 = ALL.filter(({ cpu }) => cpu.arch === "x86_64");
const ARM = ALL.filter(({ cpu }) => cpu.arch === "aarch64");

function contractOf(from: NodeProfile, template: CpuTemplate = EMPTY_TEMPLATE): CpuContract {
  const options = { firecracker: RELEASE, vcpus: 1, smt: false, template };
  const result = predictContract(from, options);
  if (!result.ok) throw new Error(`${from.name} does not boot: ${result.missing.join()}`);
  return result.contract;
}

/** The guest as the contract has it, which normalization has been over. */
function guestOf(from: NodeProfile, { cpuid, msrs }: CpuContract): NaiveGuest {
  return naiveGuest({ ...from, cpu: { ...from.cpu, cpuid, msrs } });
}

function isCompatible(contract: CpuContract, to: NodeProfile): boolean {
  return judge(contract, to, RELEASE).verdict === "compatible";
}

const vendorOf = ({ cpu }: NodeProfile) => cpu.cpuid.find(({ leaf }) => leaf === 0)?.ebx;

/** Two nodes of one vendor. */
const pair = fc.tuple(fc.nat(), fc.nat()).map(([a, b]) => {
  const from = X86[a % X86.length];
  const others = X86.filter((node) => from !== undefined && vendorOf(node) === vendorOf(from));
  return [from, others[b % others.length]] as const;
});

const REGISTERS = ["eax", "ebx", "ecx", "edx"] as const;

/** Words with features; the others are numbers, which one bit makes another CPU of. */
const CHANGED_LEAVES = new Set([0x1, 0x7, 0xd, 0x4000_0001, 0x8000_0001, 0x8000_0008, 0x8000_0021]);

function withChange(node: NodeProfile, [choice, bit]: readonly [number, number]): NodeProfile {
  const { cpu } = node;
  const words = cpu.cpuid.flatMap((entry) =>
    CHANGED_LEAVES.has(entry.leaf) && entry.subleaf < 3
      ? REGISTERS.map((register) => ({ entry, register }))
      : [],
  );
  const at = choice % (words.length + 8);
  const word = words[at];
  if (word === undefined) {
    const msrs = cpu.msrs.map((msr) =>
      msr.addr === 0x10a ? { ...msr, value: msr.value ^ (1n << BigInt(bit)) } : msr,
    );
    return { ...node, cpu: { ...cpu, msrs } };
  }
  const { entry, register } = word;
  const changed: CpuidEntry = { ...entry, [register]: (entry[register] ^ (1 << (bit % 32))) >>> 0 };
  const cpuid = cpu.cpuid.map((other) => (other === entry ? changed : other));
  return { ...node, cpu: { ...cpu, cpuid } };
}

const change = fc.tuple(fc.nat(), fc.nat({ max: 63 }));
const changes = fc.array(change, { maxLength: 3 });

describe.skipIf(!hasSharedData)("the second opinion", () => {
  test("every real node resumes its own snapshots", () => {
    expect(ALL.filter((node) => !isCompatible(contractOf(node), node)).map((n) => n.name)).toEqual(
      [],
    );
  });

  test("a version between two releases says nothing of formats, not even its own", () => {
    for (const node of ALL) {
      const firecracker = "1.16.0-dev";
      const result = predictContract(node, { firecracker, vcpus: 1, smt: false });
      if (!result.ok) throw new Error("boots");
      const { verdict } = judge(result.contract, { ...node, firecracker: [firecracker] });
      expect([node.name, verdict]).toEqual([node.name, "unknown"]);
    }
  });

  test("agrees that no compatible pair faults, computes wrong or is less safe", () => {
    let compatible = 0;
    for (const from of X86) {
      const contract = contractOf(from);
      for (const to of X86) {
        if (!isCompatible(contract, to)) continue;
        compatible++;
        const unsafe = naiveUnsafe(guestOf(from, contract), naiveGuest(to));
        expect([from.name, to.name, unsafe]).toEqual([from.name, to.name, []]);
      }
    }
    expect(compatible).toBeGreaterThan(X86.length);
  });

  test("agrees where single bits differ from what was published", () => {
    let compatible = 0;
    fc.assert(
      fc.property(pair, changes, changes, ([a, b], ours, theirs) => {
        if (a === undefined || b === undefined) throw new Error("there are some");
        const [from, to] = [ours.reduce(withChange, a), theirs.reduce(withChange, b)];
        const contract = contractOf(from);
        if (!isCompatible(contract, to)) return;
        compatible++;
        expect(naiveUnsafe(guestOf(from, contract), naiveGuest(to))).toEqual([]);
      }),
      { numRuns: 600 },
    );
    expect(compatible).toBeGreaterThan(10);
  });

  test("agrees that nothing is missing on either side of a compatible pair", () => {
    let missed = 0;
    for (const node of X86) {
      for (const gone of [...node.cpu.cpuid, ...node.cpu.msrs]) {
        const cpuid = node.cpu.cpuid.filter((entry) => entry !== gone);
        const msrs = node.cpu.msrs.filter((msr) => msr !== gone);
        const cut: NodeProfile = { ...node, cpu: { ...node.cpu, cpuid, msrs } };
        const missing = naiveMissing(naiveGuest(cut));
        if (missing.length === 0) continue;
        missed++;
        for (const [from, to] of [
          [cut, node],
          [node, cut],
        ] as const) {
          expect([node.name, missing, isCompatible(contractOf(from), to)]).toEqual([
            node.name,
            missing,
            false,
          ]);
        }
      }
      const silent = { ...node, cpu: { ...node.cpu, msrs: [] } };
      expect(isCompatible(contractOf(silent), node)).toBe(false);
      expect(isCompatible(contractOf(node), silent)).toBe(false);
    }
    expect(missed).toBeGreaterThan(12 * X86.length);
  });

  test("agrees that a compatible aarch64 guest is one that KVM takes", () => {
    let compatible = 0;
    for (const from of ARM) {
      const contract = contractOf(from);
      for (const to of ARM) {
        if (!isCompatible(contract, to)) continue;
        compatible++;
        const refused = naiveArmUnsafe(
          contract.registers,
          to.cpu.registers,
          to.host.kernel ?? "0.0",
        );
        expect([from.name, to.name, refused]).toEqual([from.name, to.name, []]);
      }
    }
    expect(compatible).toBeGreaterThanOrEqual(ARM.length);
  });
});

/** Rules that speak of what no template shapes: the plan lists such moves, and stays a plan. */
const NOT_OF_THE_TEMPLATE = new Set(["kernel", "msr"]);

describe.skipIf(!hasSharedData)("plans of real pools, in the second opinion", () => {
  const pool = fc
    .tuple(fc.nat(), fc.array(fc.nat(), { minLength: 1, maxLength: 4 }))
    .map(([first, rest]) => {
      const own = X86.filter((n) => vendorOf(n) === vendorOf(X86[first % X86.length] ?? n));
      return [...new Set(rest.map((n) => own[n % own.length]))].filter((n) => n !== undefined);
    });

  test("are one guest CPU that every node backs, and every move is safe", () => {
    const count = { planned: 0, moves: 0 };
    fc.assert(
      fc.property(pool, (profiles) => {
        const result = planPool(profiles);
        if (!result.ok) {
          // An empty list of refusals would be a plan that is withheld without a word.
          if (result.refusals.length === 0) throw new Error("refused without a reason");
          return;
        }
        count.planned++;
        const nodes = profiles.map(naiveGuest);
        const templates = profiles.map(({ name }) => {
          const own = result.plan.classes.find((c) => c.nodeClass.nodes.includes(name));
          if (own === undefined) throw new Error(`${name} is in no class`);
          return own.template;
        });
        const guests = profiles.map((_, i) =>
          naiveApply(nodes[i] ?? new Map(), formatTemplate(templates[i] ?? EMPTY_TEMPLATE)),
        );
        for (const [i, from] of profiles.entries()) {
          const guest = guests[i] ?? new Map<string, string[]>();
          expect(naiveDifferences(guests[0] ?? new Map(), guest)).toEqual([]);
          expect(naiveUnbacked(guest, nodes[i] ?? new Map())).toEqual([]);
          expect(naiveHiddenWeaknesses(guest, nodes)).toEqual([]);
          const contract = contractOf(from, templates[i]);
          for (const [j, to] of profiles.entries()) {
            count.moves++;
            const unsafe = naiveUnsafe(guestOf(from, contract), nodes[j] ?? new Map());
            expect([from.name, to.name, unsafe]).toEqual([from.name, to.name, []]);
            const { findings } = judge(contract, to, RELEASE);
            const reasons = findings.filter(
              ({ severity, rule }) => severity !== "note" && !NOT_OF_THE_TEMPLATE.has(rule),
            );
            expect([from.name, to.name, reasons]).toEqual([from.name, to.name, []]);
          }
        }
      }),
      { numRuns: 40 },
    );
    expect(count.planned).toBeGreaterThan(10);
    expect(count.moves).toBeGreaterThan(count.planned);
  });
});
