/** What needs mean in a pool. */
import { expect, test } from "vitest";
import { judgeFiles, type Member, type Pool } from "../src/scan/judge.ts";
import type { FeatureUse, FileScan, Use } from "../src/scan/result.ts";

const BASE = "XSAVE XCR0_SSE XCR0_AVX AVX AVX2 XCR0_OPMASK XCR0_ZMM_HI256 XCR0_HI16_ZMM AVX512F";

function member(name: string, text: string, base = BASE): Member {
  const features = new Set(`${base} ${text}`.split(" "));
  return { name, features, answer: (feature) => (features.has(feature) ? "yes" : "no") };
}

const NODES: Pool = {
  planned: false,
  members: [member("new", "AVX512BW AVX512_VBMI2 LZCNT"), member("old", "AVX512BW")],
};
const PLAN: Pool = { planned: true, members: [member("plan", "AVX512BW")] };

function use(feature: string, when: Use, sure: FeatureUse["sure"] = "certain"): FeatureUse {
  const instructions = { certain: 1, likely: 0, doubtful: 0 };
  return { feature, use: when, sure, instructions, functions: 1, examples: [] };
}

function file(features: readonly FeatureUse[], rest: Partial<FileScan> = {}): FileScan {
  return {
    name: "it",
    kind: "executable",
    declares: { needed: [], used: [] },
    asks: [],
    refuses: false,
    throughout: [],
    jit: [],
    features,
    code: { bytes: 1_000_000, unread: 0, functions: 1, instructions: 1, unknown: 0 },
    problems: [],
    ...rest,
  };
}

function outcome(scan: FileScan, pool: Pool) {
  return judgeFiles([scan], pool)[0]?.outcome;
}

test.each([
  ["chosen", "frozen at snapshot", "loses speed"],
  ["unclear", "may die", "may die"],
  ["unreached", "unknown", "unknown"],
  ["unguarded", "will die", "will die"],
  ["unasked", "will die", "will die"],
  ["always", "will die", "will die"],
] as const)(
  "a feature that some lack and is %s: %s on nodes, %s in a plan",
  (when, nodes, plan) => {
    const scan = file([use("AVX512_VBMI2", when)]);
    expect(outcome(scan, NODES)).toBe(nodes);
    expect(outcome(scan, PLAN)).toBe(plan);
    expect(judgeFiles([scan], NODES)[0]?.reasons[0]?.lacking).toEqual(["old"]);
  },
);

test("what a file was built for as a whole, or refuses to go without, it dies of", () => {
  const chosen = [use("AVX512_VBMI2", "chosen")];
  expect(outcome(file(chosen, { throughout: ["AVX512_VBMI2"] }), PLAN)).toBe("will die");
  expect(outcome(file(chosen, { refuses: true }), PLAN)).toBe("will die");
});

test("what every member has is fine, sure or doubtful", () => {
  const scan = file([use("AVX512BW", "always"), use("AVX2", "unasked", "doubtful")]);
  expect(outcome(scan, NODES)).toBe("fine");
  expect(outcome(scan, PLAN)).toBe("fine");
});

test("what may be data is unknown where a member lacks it or does not say", () => {
  const scan = file([use("AVX512_VBMI2", "unasked", "doubtful")]);
  expect(outcome(scan, NODES)).toBe("unknown");
  expect(outcome(scan, PLAN)).toBe("unknown");
  const silent: Member = { ...member("silent", "AVX512BW"), answer: () => "unknown" };
  expect(outcome(scan, { planned: false, members: [silent] })).toBe("unknown");
  // Except for what data is taken for, and no node of today has.
  expect(outcome(file([use("3DNOW", "unasked", "doubtful")]), PLAN)).toBe("fine");
  expect(outcome(file([use("3DNOW", "unasked")]), PLAN)).toBe("will die");
});

test("a feature whose base is gone is not there", () => {
  const pool = { planned: true, members: [member("broken", "AVX512BW", "")] };
  expect(outcome(file([use("AVX512BW", "unasked")]), pool)).toBe("will die");
});

test("a member that does not say is unknown, never fine", () => {
  const silent: Member = { ...member("silent", "AVX512BW"), answer: () => "unknown" };
  const pool = { planned: false, members: [silent, member("old", "AVX512BW")] };
  expect(outcome(file([use("AVX512BW", "chosen")]), pool)).toBe("unknown");
  expect(outcome(file([use("AVX512_VBMI2", "unasked")]), pool)).toBe("will die");
});

test("LZCNT does not fault: its wrong results are named", () => {
  const [reason] = judgeFiles([file([use("LZCNT", "unasked")])], NODES)[0]?.reasons ?? [];
  expect(reason?.why).toContain("wrong results");
});

test("code that is written at run time is frozen where nodes differ, and fine in a plan", () => {
  const scan = file([], { jit: ["V8"] });
  expect(outcome(scan, NODES)).toBe("frozen at snapshot");
  expect(outcome(scan, PLAN)).toBe("fine");
  expect(judgeFiles([scan], NODES)[0]?.reasons[0]?.why).toContain("AVX512_VBMI2");
});

test("a declared level that a member lacks is refused by the loader", () => {
  const scan = file([], { declares: { needed: ["x86-64-v3"], used: [] } });
  expect(outcome(scan, PLAN)).toBe("will die");
});

test.each([
  [1341, 1276, "unknown"],
  [1341, 256, "fine"],
  [100_000, 25_001, "unknown"],
  [100_000, 25_000, "fine"],
  [2_000_000, 200_001, "unknown"],
  [600_000, 65_537, "unknown"],
  [2_606_555, 180_641, "fine"],
])("of %d bytes of code, %d not read: %s", (bytes, unread, expected) => {
  const code = { bytes, unread, functions: 1, instructions: 1, unknown: 0 };
  expect(outcome(file([], { code }), PLAN)).toBe(expected);
});

test("what was not read is unknown, never fine", () => {
  const code = { bytes: 1_000_000, unread: 400_000, functions: 1, instructions: 1, unknown: 0 };
  expect(outcome(file([], { code }), PLAN)).toBe("unknown");
  expect(outcome(file([], { code: { ...code, unread: 0, unknown: 1 } }), PLAN)).toBe("unknown");
  expect(outcome(file([use("SHA", "unasked")], { kind: "object" }), PLAN)).toBe("unknown");
});
