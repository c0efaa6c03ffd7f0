/** What a node whose KVM ignores templates means to plans, lint, contracts and verdicts. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ALL_LINES } from "../src/tables/releases.ts";
import { lintTemplate } from "../src/lint/lint.ts";
import { DEFAULT_OPTIONS } from "../src/plan/plan.ts";
import { planPool, planPools } from "../src/plan/pools.ts";
import { ignoresTemplates, type Enforcement, type KvmFacts } from "../src/profile/kvm-facts.ts";
import type { NodeProfile } from "../src/profile/profile.ts";
import { readDocument } from "../src/read/document.ts";
import { formatProfile } from "../src/profile/file.ts";
import { EMPTY_TEMPLATE } from "../src/template/template.ts";
import { judge } from "../src/verdict/judge.ts";
import { matrixEntries } from "../src/verdict/entries.ts";
import { changedWords, trialCpuid } from "../src/verify/read-back.ts";
import { nodeCpu } from "./arbitrary.ts";
import { profile, promised, rules } from "./verdict-support.ts";

function kvm(changed: Enforcement["changed"], enforced = changed.length === 0): KvmFacts {
  return {
    apiVersion: 12,
    backend: "kvm_pvm",
    capabilities: new Map(
      [0, 3, 4, 7, 14, 32, 33, 35, 36, 39, 41, 50, 55, 56, 60].map((n) => [n, 1]),
    ),
    featureMsrs: [{ addr: 0x10a, value: 0x4000_0000_0c00_0069n }],
    unreadableMsrs: [0x345],
    enforcement: { enforced, changed },
  };
}

const leaked = { leaf: 7, subleaf: 0, register: "ebx", asked: 0, answered: 0x20 } as const;
const honest = profile("ice-lake-sp", { kvm: kvm([]) });
const other = profile("ice-lake-sp", { name: "other" });
const ignoring = profile("ice-lake-sp", { name: "pvm", kvm: kvm([leaked]) });

test("a profile keeps what its KVM said, in both directions", () => {
  for (const node of [honest, ignoring, other]) {
    const document = readDocument(JSON.parse(formatProfile(node)), "");
    expect(document).toEqual({ kind: "profile", profile: node });
  }
  expect([honest, ignoring, other].map(ignoresTemplates)).toEqual([false, true, false]);
});

test.each([
  [
    "a capability by name",
    { capabilities: { nr_vcpus: 1 } },
    'kvm.capabilities: "nr_vcpus" is not',
  ],
  ["an answer that is no number", { capabilities: { 9: "2" } }, "kvm.capabilities.9: must be"],
  ["an unknown member", { version: 12 }, "kvm.version: unknown key"],
  [
    "a register that is none",
    { enforcement: { enforced: false, changed: [{ register: "rax" }] } },
    "kvm.enforcement.changed[0].register: must be eax, ebx, ecx or edx",
  ],
  [
    "enforced and changed at once",
    {
      enforcement: {
        enforced: true,
        changed: [
          {
            leaf: "0x7",
            subleaf: "0x0",
            register: "ebx",
            asked: "0x0",
            answered: "0x20",
          },
        ],
      },
    },
    "kvm.enforcement.enforced: cannot be true",
  ],
])("a profile with %s is refused with its place", (_, change, message) => {
  const json = JSON.parse(formatProfile(honest)) as { kvm: object };
  expect(() => readDocument({ ...json, kvm: { ...json.kvm, ...change } }, "")).toThrow(message);
});

describe("a node that ignores templates", () => {
  test("is in no plan, and the others are not planned around it silently", () => {
    const result = planPool([other, ignoring]);
    expect(result).toMatchObject({ ok: false, refusals: [{ code: "unenforced", nodes: ["pvm"] }] });
    const pools = planPools([other, ignoring], DEFAULT_OPTIONS, { pools: 2 });
    expect(pools).toMatchObject({ ok: false, refusals: [{ code: "unenforced" }] });
    expect(planPool([other, honest]).ok).toBe(true);
  });

  test("is an error to lint, whatever the template", () => {
    const found = lintTemplate(
      { template: EMPTY_TEMPLATE, builtIn: undefined },
      ignoring,
      ALL_LINES,
    );
    expect(found?.filter(({ severity }) => severity === "error").map((f) => f.rule)).toEqual([
      "unenforced",
    ]);
    const fine = lintTemplate({ template: EMPTY_TEMPLATE, builtIn: undefined }, honest, ALL_LINES);
    expect(fine?.map((f) => f.rule)).not.toContain("unenforced");
  });

  test("never resumes a snapshot with certainty, not even an equal node's", () => {
    expect(judge(promised(other), honest).verdict).toBe("compatible");
    const { verdict, findings } = judge(promised(other), ignoring);
    expect([verdict, rules(findings, "unknown")]).toEqual(["unknown", ["enforced"]]);
  });

  test("takes no snapshot that anyone can vouch for", () => {
    const contract = promised(ignoring);
    expect(contract.incomplete.join()).toContain("whatever a CPU template says");
    expect(judge(contract, other).verdict).toBe("unknown");
  });

  test("stands for itself in a matrix, beside its equals", () => {
    const entries = matrixEntries([honest, ignoring], promised);
    expect(entries.map(({ nodes }) => nodes)).toEqual([["ice-lake-sp"], ["pvm"]]);
  });

  test("no pair with it is compatible, in either direction", () => {
    fc.assert(
      fc.property(nodeCpu, nodeCpu, (a, b) => {
        const from: NodeProfile = { ...other, cpu: a };
        const to: NodeProfile = { ...ignoring, cpu: b };
        expect(judge(promised(from), to).verdict).not.toBe("compatible");
        expect(judge(promised(to), from).verdict).not.toBe("compatible");
      }),
      { numRuns: 50 },
    );
  });
});

describe("KVM capabilities that a template asks for", () => {
  const asking = (number: string) =>
    promised(other, { ...EMPTY_TEMPLATE, kvmCapabilities: [number, "!56"] });

  test("are judged where the node says which it has", () => {
    expect(judge(asking("60"), honest).verdict).toBe("compatible");
    const { verdict, findings } = judge(asking("171"), honest);
    expect([verdict, rules(findings, "incompatible")]).toEqual([
      "incompatible",
      ["kvm-capability"],
    ]);
  });

  test("are judged with those that Firecracker itself needs", () => {
    const bare = promised(other, EMPTY_TEMPLATE);
    const facts = kvm([]);
    const capabilities = new Map([...facts.capabilities].filter(([number]) => number !== 56));
    const lesser: NodeProfile = { ...honest, kvm: { ...facts, capabilities } };
    expect(judge(bare, lesser)).toMatchObject({
      verdict: "incompatible",
      findings: expect.arrayContaining([
        expect.objectContaining({ rule: "kvm-capability", name: "KVM_CAP_XCRS" }),
      ]) as unknown,
    });
    const found = lintTemplate({ template: EMPTY_TEMPLATE, builtIn: undefined }, lesser, ALL_LINES);
    expect(found?.map(({ rule, name }) => [rule, name])).toContainEqual([
      "kvm-capability",
      "KVM_CAP_XCRS",
    ]);
  });

  test("are unknown where it does not", () => {
    expect(judge(asking("60"), other).verdict).toBe("unknown");
  });
});

describe("the trial", () => {
  const cpuid = other.cpu.cpuid;

  test("hides every feature, announces every weakness, and shows another stepping", () => {
    const trial = trialCpuid("intel", cpuid);
    const word = (leaf: number, list = trial) =>
      list.find((e) => e.leaf === leaf && e.subleaf === 0);
    expect((word(7)?.ebx ?? 0) & (1 << 5)).toBe(0); // AVX2
    expect((word(7)?.edx ?? 0) & (1 << 10)).not.toBe(0); // MD_CLEAR
    expect((word(1)?.eax ?? 0) ^ (word(1, [...cpuid])?.eax ?? 0)).toBe(1);
    expect(word(0x8000_0008)?.eax).toBe(word(0x8000_0008, [...cpuid])?.eax);
  });

  test("an honest answer changes nothing, with the bits that follow a vCPU's state", () => {
    const asked = trialCpuid("intel", cpuid);
    const answered = asked.map((e) => {
      if (e.leaf === 1) return { ...e, ecx: (e.ecx ^ (1 << 27)) >>> 0, edx: (e.edx | 0x200) >>> 0 };
      return e.leaf === 0xd && e.subleaf < 2 ? { ...e, ebx: 576 } : e;
    });
    expect(changedWords("intel", asked, answered)).toEqual([]);
  });

  test("any other bit that comes back different is found, and nothing else", () => {
    const asked = trialCpuid("intel", cpuid);
    const places = asked.flatMap((_, i) =>
      (["eax", "ebx", "ecx", "edx"] as const).map((r) => [i, r] as const),
    );
    const bits = fc.record({ place: fc.constantFrom(...places), bit: fc.nat(31) });
    let found = 0;
    fc.assert(
      fc.property(bits, ({ place: [index, register], bit }) => {
        const answered = asked.map((e, i) =>
          i === index ? { ...e, [register]: (e[register] ^ (1 << bit)) >>> 0 } : e,
        );
        const changed = changedWords("intel", asked, answered);
        found += changed.length;
        const entry = asked[index];
        for (const word of changed) {
          expect(word).toMatchObject({ leaf: entry?.leaf, subleaf: entry?.subleaf, register });
        }
      }),
    );
    expect(found).toBeGreaterThan(50);
  });

  test("an entry that vanished reads as zero", () => {
    const asked = [{ leaf: 7, subleaf: 0, flags: 1, eax: 0, ebx: 0x20, ecx: 0, edx: 0 }];
    expect(changedWords("intel", asked, [])).toEqual([
      { leaf: 7, subleaf: 0, register: "ebx", asked: 0x20, answered: 0 },
    ]);
    expect(changedWords("intel", [], asked)).toHaveLength(1);
  });
});
