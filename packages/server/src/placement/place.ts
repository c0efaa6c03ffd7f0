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

/** Keeps the best few, sorted. What is no better than the last of them costs nothing. */
function best(limit: number) {
  const kept: Rank[] = [];
  return {
    kept,
    add: (node: number, holds: boolean, serves: number, load: number) => {
      const last = kept[limit - 1];
      if (last !== undefined) {
        // Nodes come in order, so that of two alike the one that is kept is the better one.
        const worse =
          Number(last.holds) - Number(holds) || serves - last.serves || load - last.load;
        if (worse >= 0) return;
      }
      const rank: Rank = { node, holds, serves, load };
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

/** In the order in which a node is asked: it is counted at the first that takes it. */
const FILTERS: readonly FilterName[] = [...CLOSED, "pool", "labels", "verdict", "capacity"];
const [POOL, LABELS, VERDICT, CAPACITY] = [4, 5, 6, 7] as const;
const NONE = -1;

/** The first filter that takes a node, as an index into `FILTERS`. */
function filterOf(
  fleet: Fleet,
  node: number,
  question: Question,
  fits: boolean,
  labelled: boolean,
) {
  const closed = fleet.closed[node] ?? 0;
  if (closed >= 0) return closed;
  if (question.pool !== undefined && fleet.nodes[node]?.pool !== question.pool) return POOL;
  if (!labelled) return LABELS;
  if (!fits) return VERDICT;
  const room =
    (fleet.freeSandboxes[node] ?? 0) >= 1 && (fleet.freeMemoryMib[node] ?? 0) >= question.memoryMib;
  return room ? NONE : CAPACITY;
}

function named<K>(keys: readonly K[], counts: Int32Array): Map<K, number> {
  const found = keys.map((key, i) => [key, counts[i] ?? 0] as const);
  return new Map(found.filter(([, count]) => count > 0));
}

export function place(fleet: Fleet, question: Question): Answer {
  const { contract, snapshot, labels, pool, limit } = question;
  const variants = byVariant(fleet, contract);
  const labelled = fleet.labelSets.map((set) => matches(labels, set));
  const holders = new Set(snapshot === undefined ? [] : fleet.holders.get(snapshot));
  const packs = pool !== undefined && fleet.strategies.get(pool) === "pack";
  const filters = new Int32Array(FILTERS.length);
  const able = new Int32Array(FILTERS.length);
  const refused = new Int32Array(fleet.variants.length);
  const count = (counts: Int32Array, i: number) => {
    counts[i] = (counts[i] ?? 0) + 1;
  };
  const ranked = best(limit);
  let eligible = 0;
  for (let node = 0; node < fleet.nodes.length; node++) {
    const variant = fleet.variantOf[node] ?? 0;
    const { fits = false, serves = 0 } = variants[variant] ?? {};
    const isLabelled = labelled[fleet.labelsOf[node] ?? 0] === true;
    const filter = filterOf(fleet, node, question, fits, isLabelled);
    if (filter === NONE) {
      eligible += 1;
      const free = fleet.freeMemoryMib[node] ?? 0;
      ranked.add(node, holders.has(node), serves, packs ? free : -free);
      continue;
    }
    count(filters, filter);
    if (fits) count(able, filter);
    if (filter === VERDICT) count(refused, variant);
  }
  return {
    nodes: ranked.kept.map(({ node }) => node),
    holders,
    eligible,
    filters: named(FILTERS, filters),
    able: named(FILTERS, able),
    refused: named(fleet.variants, refused),
  };
}
