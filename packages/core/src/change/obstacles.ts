/** What stands against a contract, with the nodes that it stands against. */
import type { Verdict } from "../verdict/finding.ts";

export interface Obstacle {
  readonly verdict: Verdict;
  readonly rule: string;
  readonly name: string;
  readonly address: string;
  readonly nodes: number;
}

/** So many nodes with the same verdict, and what it found. */
export interface JudgedNodes {
  readonly verdict: Verdict;
  readonly nodes: number;
  readonly findings: readonly Omit<Obstacle, "verdict" | "nodes">[];
}

/** Each finding once, with all its nodes, in the order in which they are met. */
export function countObstacles(judged: Iterable<JudgedNodes>): Obstacle[] {
  const found = new Map<string, Obstacle>();
  for (const { verdict, nodes, findings } of judged) {
    const seen = new Set<string>();
    for (const { rule, name, address } of findings) {
      const key = [verdict, rule, name, address].join("\n");
      if (seen.has(key)) continue;
      seen.add(key);
      const before = found.get(key)?.nodes ?? 0;
      found.set(key, { verdict, rule, name, address, nodes: before + nodes });
    }
  }
  return [...found.values()];
}
