/**
 * Placement: which nodes can run a guest, best first, or what took each of them. Pure; one pass
 * over the nodes.
 */
import type { FilterName } from "@evenkeel/api";
import { CLOSED, matches, verdictOn, type Fleet, type Labels } from "./fleet.ts";

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

/** In the order in which a node is asked: it is counted at the first that takes it. */
const FILTERS: readonly FilterName[] = [...CLOSED, "pool", "labels", "verdict", "capacity"];
const [POOL, LABELS, VERDICT, CAPACITY] = [4, 5, 6, 7] as const;
const NONE = -1;

/** What is the same for all nodes of a group, asked once. */
function askGroups(fleet: Fleet, { contract, labels, pool }: Question) {
  const { groups, index, variants } = fleet;
  const labelled = fleet.labelSets.map((set) => matches(labels, set));
  const fits = new Uint8Array(groups.length);
  const filters = new Int8Array(groups.length);
  const serves = new Float64Array(groups.length);
  for (const [i, group] of groups.entries()) {
    const variant = variants[group.variant] ?? "";
    const can = verdictOn(index, contract, { variant, plan: group.plan }) === "compatible";
    fits[i] = Number(can);
    serves[i] = index.served(variant);
    if (pool !== undefined && group.pool !== pool) filters[i] = POOL;
    else if (labelled[group.labels] !== true) filters[i] = LABELS;
    else filters[i] = can ? NONE : VERDICT;
  }
  return { fits, filters, serves };
}

function named<K>(keys: readonly K[], counts: Int32Array): Map<K, number> {
  const found = keys.map((key, i) => [key, counts[i] ?? 0] as const);
  return new Map(found.filter(([, count]) => count > 0));
}

function countAt(counts: Int32Array, i: number): void {
  counts[i] = (counts[i] ?? 0) + 1;
}

export function place(fleet: Fleet, question: Question): Answer {
  const { snapshot, memoryMib, pool, limit } = question;
  const { groupOf, groups, closed, freeSandboxes, freeMemoryMib } = fleet;
  const asked = askGroups(fleet, question);
  const holders = new Set(snapshot === undefined ? [] : fleet.holders.get(snapshot));
  const packs = pool !== undefined && fleet.strategies.get(pool) === "pack";
  const filters = new Int32Array(FILTERS.length);
  const able = new Int32Array(FILTERS.length);
  const refused = new Int32Array(fleet.variants.length);
  const ranked = best(limit);
  let eligible = 0;
  for (let node = 0; node < groupOf.length; node++) {
    const group = groupOf[node] ?? 0;
    const free = freeMemoryMib[node] ?? 0;
    let filter = closed[node] ?? 0;
    if (filter === NONE) filter = asked.filters[group] ?? VERDICT;
    if (filter === NONE && ((freeSandboxes[node] ?? 0) < 1 || free < memoryMib)) filter = CAPACITY;
    if (filter === NONE) {
      eligible += 1;
      const holds = holders.size > 0 && holders.has(node);
      ranked.add(node, holds, asked.serves[group] ?? 0, packs ? free : -free);
      continue;
    }
    countAt(filters, filter);
    if (asked.fits[group] === 1) countAt(able, filter);
    if (filter === VERDICT) countAt(refused, groups[group]?.variant ?? 0);
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
