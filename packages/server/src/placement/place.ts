/**
 * Placement: which nodes can run a guest, best first, or what took each of them. Pure; one pass
 * over the nodes.
 */
import type { FilterName } from "@evenkeel/api";
import { CLOSED, matches, type Fleet, type Labels } from "./fleet.ts";

export interface Question {
  readonly contract: string;
  /** The snapshot to resume, by digest: nodes that hold its files come first. */
  readonly snapshot: string | undefined;
  readonly memoryMib: number;
  readonly labels: Labels;
  readonly pool: string | undefined;
  readonly limit: number;
}

export interface Answer {
  /** Indices of nodes, best first. */
  readonly nodes: readonly number[];
  readonly holders: ReadonlySet<number>;
  readonly eligible: number;
  /** How many nodes each filter took; each node is counted at the first that does. */
  readonly filters: ReadonlyMap<FilterName, number>;
  /** Of those, the ones that could resume the contract. */
  readonly able: ReadonlyMap<FilterName, number>;
  /** Nodes that the verdict took, by variant. */
  readonly refused: ReadonlyMap<string, number>;
}

interface Rank {
  readonly node: number;
  readonly holds: boolean;
  /** How many contracts its variant serves: what serves few is used first, and keeps the rest free. */
  readonly serves: number;
  /** Smaller is better. */
  readonly load: number;
}

/** Negative where `a` is the better one. */
function compare(a: Rank, b: Rank): number {
  return (
    Number(b.holds) - Number(a.holds) || a.serves - b.serves || a.load - b.load || a.node - b.node
  );
}

/** Keeps the best few, sorted. */
function best(limit: number) {
  const kept: Rank[] = [];
  return {
    kept,
    add: (rank: Rank) => {
      const last = kept[limit - 1];
      if (last !== undefined && compare(rank, last) >= 0) return;
      let at = kept.length;
      while (at > 0 && compare(rank, kept[at - 1] as Rank) < 0) at -= 1;
      kept.splice(at, 0, rank);
      if (kept.length > limit) kept.pop();
    },
  };
}

/** What is the same for all nodes of a variant, asked once. */
function byVariant(fleet: Fleet, contract: string) {
  return fleet.variants.map((variant) => ({
    fits: fleet.index.verdict(contract, variant) === "compatible",
    serves: fleet.index.served(variant),
  }));
}

/** The first filter that takes a node; undefined where none does. */
function filterOf(
  fleet: Fleet,
  node: number,
  question: Question,
  fits: boolean,
  labelled: boolean,
) {
  const closed = fleet.closed[node] ?? 0;
  if (closed >= 0) return CLOSED[closed];
  if (question.pool !== undefined && fleet.nodes[node]?.pool !== question.pool) return "pool";
  if (!labelled) return "labels";
  if (!fits) return "verdict";
  const room =
    (fleet.freeSandboxes[node] ?? 0) >= 1 && (fleet.freeMemoryMib[node] ?? 0) >= question.memoryMib;
  return room ? undefined : "capacity";
}

function counter<K>() {
  const counts = new Map<K, number>();
  return { counts, add: (key: K) => counts.set(key, (counts.get(key) ?? 0) + 1) };
}

export function place(fleet: Fleet, question: Question): Answer {
  const { contract, snapshot, labels, pool, limit } = question;
  const variants = byVariant(fleet, contract);
  const labelled = fleet.labelSets.map((set) => matches(labels, set));
  const holders = new Set(snapshot === undefined ? [] : fleet.holders.get(snapshot));
  const packs = pool !== undefined && fleet.strategies.get(pool) === "pack";
  const [filters, able, refused] = [
    counter<FilterName>(),
    counter<FilterName>(),
    counter<string>(),
  ];
  const ranked = best(limit);
  let eligible = 0;
  for (let node = 0; node < fleet.nodes.length; node++) {
    const variant = fleet.variantOf[node] ?? 0;
    const { fits = false, serves = 0 } = variants[variant] ?? {};
    const isLabelled = labelled[fleet.labelsOf[node] ?? 0] === true;
    const filter = filterOf(fleet, node, question, fits, isLabelled);
    if (filter === undefined) {
      eligible += 1;
      const free = fleet.freeMemoryMib[node] ?? 0;
      ranked.add({ node, holds: holders.has(node), serves, load: packs ? free : -free });
      continue;
    }
    filters.add(filter);
    if (fits) able.add(filter);
    if (filter === "verdict") refused.add(fleet.variants[variant] ?? "");
  }
  return {
    nodes: ranked.kept.map(({ node }) => node),
    holders,
    eligible,
    filters: filters.counts,
    able: able.counts,
    refused: refused.counts,
  };
}
