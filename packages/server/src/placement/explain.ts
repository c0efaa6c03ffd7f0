/** Why nothing can run a guest, and what can be done about it. Pure. */
import type { FilterName } from "@evenkeel/api";
import {
  countObstacles,
  type Finding,
  type JudgedNodes,
  type Obstacle,
  type Verdict,
} from "@evenkeel/core";
import type { Answer } from "./place.ts";

/** What a verdict on one variant found. */
export interface VariantFindings {
  readonly verdict: Verdict;
  readonly findings: readonly Finding[];
}

/** Nodes that nothing is known about yet: they were indexed by no rule. */
const UNJUDGED: VariantFindings = { verdict: "unknown", findings: [] };

/** No rule was asked yet. */
const NOT_JUDGED: JudgedNodes["findings"] = [
  { rule: "index", name: "not judged yet", address: "" },
];

/** Each feature with the nodes that it stands against, most nodes first. */
export function obstaclesOf(
  refused: Answer["refused"],
  found: ReadonlyMap<string, VariantFindings>,
): Obstacle[] {
  const judged = [...refused].map(([variant, nodes]) => {
    const { verdict, findings } = found.get(variant) ?? UNJUDGED;
    return { verdict, nodes, findings: findings.length > 0 ? findings : NOT_JUDGED };
  });
  return countObstacles(judged).toSorted(
    (a, b) => b.nodes - a.nodes || (a.name < b.name ? -1 : Number(a.name > b.name)),
  );
}

function count(nodes: number): string {
  return nodes === 1 ? "1 node" : `${nodes} nodes`;
}

const WAYS: Partial<Record<FilterName, (nodes: string) => string>> = {
  capacity: (nodes) => `wait for room: ${nodes} can resume it and are full`,
  cordoned: (nodes) => `uncordon: ${nodes} can resume it and are cordoned`,
  held: (nodes) => `look at what changed: ${nodes} can resume it and are held back`,
  suspect: (nodes) => `wait: ${nodes} can resume it and have not been heard of for 15 s`,
  lost: (nodes) => `bring back: ${nodes} can resume it and are lost`,
  pool: (nodes) => `ask without the pool: ${nodes} outside of it can resume it`,
  labels: (nodes) => `ask with other labels: ${nodes} without them can resume it`,
};

/** What would help, the nearest first. */
export function waysOut({ eligible, able, filters }: Answer): string[] {
  if (eligible > 0) return [];
  const ways = Object.entries(WAYS).flatMap(([filter, say]) => {
    const nodes = able.get(filter as FilterName) ?? 0;
    return nodes > 0 ? [say(count(nodes))] : [];
  });
  if ((filters.get("verdict") ?? 0) === 0) return ways;
  return [
    ...ways,
    "boot it anew from its disk: a cold boot takes the CPU of the node, or of the pool's plan",
  ];
}
