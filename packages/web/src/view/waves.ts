/** Waves of a rollout, and what nodes make of the version. */
import type { RolloutView } from "@evenkeel/api";

type Node = RolloutView["nodes"][number];

export const WAVES: Readonly<
  Record<Node["wave"], { readonly title: string; readonly text: string }>
> = {
  canary: { title: "Canaries", text: "a node of each class" },
  share: { title: "A quarter", text: "a quarter of the pool" },
  all: { title: "All", text: "every other node" },
};

export const CHECKS: Readonly<
  Record<Node["check"], { readonly text: string; readonly tone: string; readonly sign: string }>
> = {
  refused: { text: "refused", tone: "incompatible", sign: "✕" },
  away: { text: "away", tone: "insecure", sign: "!" },
  waiting: { text: "waiting", tone: "insecure", sign: "…" },
  applied: { text: "applied", tone: "compatible", sign: "✓" },
  untold: { text: "not told", tone: "unknown", sign: "–" },
};

export function countChecks(nodes: readonly Node[]): Record<Node["check"], number> {
  const counts = { refused: 0, away: 0, waiting: 0, applied: 0, untold: 0 };
  for (const { check } of nodes) counts[check]++;
  return counts;
}
