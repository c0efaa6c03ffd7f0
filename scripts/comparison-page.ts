/** docs/comparison.md: figures and names of features, and no fingerprint's content. */
import type { Compared, Outcome } from "./comparison.ts";

/** A pool's rows in the table of pools; approaches that are refused for one reason share a row. */
export function poolRows({ nodes, outcomes }: Compared): string[][] {
  const pairs = nodes.length ** 2;
  const usable = outcomes.filter(({ refused }) => refused === undefined);
  const reasons = new Set(outcomes.flatMap(({ refused }) => refused ?? []));
  const rows = [
    ...usable.map(({ approach, hides, leaks, invents, costs, moves }) => [
      approach,
      list(hides),
      list(leaks),
      list(invents),
      costs.length === 0 ? "–" : String(costs.length),
      `${moves} of ${pairs}`,
    ]),
    ...[...reasons].map((reason) => {
      const all = outcomes.filter(({ refused }) => refused === reason);
      return [all.map(({ approach }) => approach).join(", "), reason, "", "", "", ""];
    }),
  ];
  return rows.map((row, i) => [i === 0 ? nodes.map(shortName).join(" + ") : "", ...row]);
}

/** `Cascade Lake 6.1` of INTEL_CASCADELAKE_6.1; the number is its place in its own history. */
export function shortName(name: string): string {
  const [, model = name, kernel = "", number] =
    /^[A-Z]+_([A-Z_]+)_([\d.]+?)(?:__(\d+))?(?:\.json)?$/.exec(name) ?? [];
  const words: Readonly<Record<string, string>> = {
    CASCADELAKE: "Cascade Lake",
    ICELAKE: "Ice Lake",
    SAPPHIRE_RAPIDS: "Sapphire Rapids",
    GENOA: "Genoa",
    MILAN: "Milan",
  };
  return `${words[model] ?? model} ${kernel}${number === undefined ? "" : ` (${number})`}`;
}

function list(names: readonly string[]): string {
  if (names.length === 0) return "–";
  const shown = names.slice(0, 3).join(", ");
  return names.length > 3 ? `${shown} and ${names.length - 3} more` : shown;
}

export function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(3, ...rows.map((r) => r[i]?.length ?? 0)));
  const line = (cells: readonly string[], filler = " ") =>
    `| ${cells.map((cell, i) => cell.padEnd(widths[i] ?? 0, filler)).join(" | ")} |`;
  const [head = [], ...body] = rows;
  const rule = head.map(() => "-");
  return [line(head), line(rule, "-"), ...body.map((row) => line(row))].join("\n");
}

function approachesOf(pools: readonly Compared[]): string[] {
  return [...new Set(pools.flatMap(({ outcomes }) => outcomes.map(({ approach }) => approach)))];
}

function median(values: readonly number[]): string {
  const sorted = values.toSorted((a, b) => a - b);
  return String(sorted[Math.floor((sorted.length - 1) / 2)] ?? "–");
}

/** One approach over all pools. */
function summaryRow(approach: string, pools: readonly Compared[]): string[] {
  const all = pools.flatMap(({ nodes, outcomes }) =>
    outcomes
      .filter((outcome) => outcome.approach === approach)
      .map((outcome) => ({ outcome, pairs: nodes.length ** 2 })),
  );
  const usable = all.filter(({ outcome }) => outcome.refused === undefined);
  const count = (is: (outcome: Outcome) => boolean) =>
    String(usable.filter(({ outcome }) => is(outcome)).length);
  const costs = usable.map(({ outcome }) => outcome.costs.length);
  return [
    approach,
    `${usable.length} of ${all.length}`,
    count(({ hides }) => hides.length > 0),
    count(({ leaks }) => leaks.length > 0),
    count(({ invents }) => invents.length > 0),
    costs.length === 0 ? "–" : `${median(costs)}, ${Math.max(...costs)}`,
    String(usable.filter(({ outcome, pairs }) => outcome.moves === pairs).length),
  ];
}

const REASONS_HEAD = ["pools", "why there is no plan"];

function planRefusals(pools: readonly Compared[]): string {
  const counts = new Map<string, number>();
  for (const { outcomes } of pools) {
    for (const { approach, refused } of outcomes) {
      if (approach !== "plan" || refused === undefined) continue;
      counts.set(refused, (counts.get(refused) ?? 0) + 1);
    }
  }
  const rows = [...counts].toSorted((a, b) => b[1] - a[1]).map(([why, n]) => [String(n), why]);
  return rows.length === 0 ? "Every pool has a plan." : table([REASONS_HEAD, ...rows]);
}

export interface Section {
  readonly title: string;
  /** Every pool. */
  readonly pools: readonly Compared[];
  /** Those of today's kernels and microcode, which are shown one by one. */
  readonly shown: readonly Compared[];
}

const INTRODUCTION = `# The plan, compared

This page compares three ways to give a pool one guest CPU: evenkeel's plan; a plain AND of the nodes' dumps (one template
for all nodes, ANDing each register; AgentENV's scheduler does this); and each of Firecracker's built-in templates.

- **hides**: vulnerability and remedy bits (RSBA, FB_CLEAR, …) that a node reports but some guest does not see, so that the
  guest leaves a mitigation off
- **leaks**: features that some guest sees and some node lacks: a program that uses one dies on the other node
- **invents**: things no node has: a CPU model, an XSAVE area too small for its contents, a feature that the guest's own
  node lacks
- **costs**: features that every node has and guests lose
- **moves**: ordered pairs of nodes (including each node with itself) between which a snapshot can move, according to
  [the verdict](verdicts.md) on the CPU

The pools are all combinations of at least two published fingerprints of one vendor in Firecracker's test data (Apache-2.0;
the number in brackets is a fingerprint's place in its series' history). CPUs are compared, not kernels: all nodes are
assumed to run the same host kernel and Firecracker 1.16, and differences in the MSRs that a kernel lists are ignored.
Built-in templates count as usable where Firecracker accepts them: from 1.12 on, only on the models they are made for.
Performance hints count as features; caches, clocks and topology do not.

\`npm run compare\` writes this page if the fingerprints are available.
`;

const SUMMARY_HEAD = [
  "approach",
  "usable",
  "hides",
  "leaks",
  "invents",
  "costs: median, most",
  "all moves",
];
const POOL_HEAD = ["pool", "approach", "hides", "leaks", "invents", "costs", "moves"];

function section({ title, pools, shown }: Section): string {
  const summary = approachesOf(pools).map((approach) => summaryRow(approach, pools));
  return [
    `## ${title}: ${pools.length} pools`,
    `The number of pools in which each approach can be used at all; of those, the number in which it hides, leaks or invents
anything; what it costs; and the number in which every move is allowed.`,
    table([SUMMARY_HEAD, ...summary]),
    planRefusals(pools),
    `### ${title}, pool by pool`,
    table([POOL_HEAD, ...shown.flatMap(poolRows)]),
  ].join("\n\n");
}

export function comparisonPage(sections: readonly Section[]): string {
  return `${[INTRODUCTION.trimEnd(), ...sections.map(section)].join("\n\n")}\n`;
}
