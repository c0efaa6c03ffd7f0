/** The fleet laid out for placement: columns of numbers, so that a question is one pass over them. */
import type { Verdict } from "@evenkeel/core";

export type Labels = Readonly<Record<string, string>>;
export type NodeState = "ready" | "suspect" | "lost";

export interface FleetNode {
  readonly id: string;
  readonly name: string;
  readonly class: string;
  /** Nodes of one variant get the same verdict on every contract. */
  readonly variant: string;
  readonly pool: string | undefined;
  readonly state: NodeState;
  readonly held: boolean;
  readonly cordoned: boolean;
  readonly labels: Labels;
  readonly freeSandboxes: number;
  readonly freeMemoryMib: number;
}

/** Which variant can resume what. A pair that is not there is `unknown`. */
export interface VerdictIndex {
  /** Throws nothing: a contract that nobody knows is unknown everywhere. */
  verdict(contract: string, variant: string): Verdict;
  has(contract: string): boolean;
  /** Whether anybody judged the pair, with whatever verdict. */
  judged(contract: string, variant: string): boolean;
  /** How many contracts a variant can resume. */
  served(variant: string): number;
}

export interface Fleet {
  /** Sorted by name. */
  readonly nodes: readonly FleetNode[];
  /** Of each node: its variant, as an index into `variants`. */
  readonly variantOf: Int32Array;
  readonly variants: readonly string[];
  /** Of each node: its labels, as an index into `labelSets`. */
  readonly labelsOf: Int32Array;
  readonly labelSets: readonly Labels[];
  /** Of each node: what keeps it from getting any work, as an index into `CLOSED`; -1: nothing. */
  readonly closed: Int8Array;
  readonly freeSandboxes: Float64Array;
  readonly freeMemoryMib: Float64Array;
  readonly index: VerdictIndex;
  /** Nodes that hold a snapshot's files, as indices, by the snapshot's digest. */
  readonly holders: ReadonlyMap<string, readonly number[]>;
  readonly strategies: ReadonlyMap<string, "spread" | "pack">;
}

/** What keeps a node from getting any work, in the order in which it is counted. */
export const CLOSED = ["lost", "suspect", "held", "cordoned"] as const;

function closedBy({ state, held, cordoned }: FleetNode): number {
  if (state === "lost") return 0;
  if (state === "suspect") return 1;
  if (held) return 2;
  return cordoned ? 3 : -1;
}

/** Numbers for texts, in the order in which they come. */
function numbering(): { readonly texts: string[]; of(text: string): number } {
  const known = new Map<string, number>();
  const texts: string[] = [];
  return {
    texts,
    of: (text) => {
      const number = known.get(text) ?? texts.length;
      if (number === texts.length) {
        known.set(text, number);
        texts.push(text);
      }
      return number;
    },
  };
}

function labelsText(labels: Labels): string {
  return JSON.stringify(Object.entries(labels).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

export interface FleetInput {
  /** Sorted by name. */
  readonly nodes: readonly FleetNode[];
  readonly index: VerdictIndex;
  /** Ids of nodes by the digest of a snapshot that they hold. */
  readonly held: Iterable<readonly [snapshot: string, node: string]>;
  readonly strategies: ReadonlyMap<string, "spread" | "pack">;
}

export function layOutFleet({ nodes, index, held, strategies }: FleetInput): Fleet {
  const variants = numbering();
  const labels = numbering();
  const places = new Map(nodes.map(({ id }, i) => [id, i]));
  const holders = new Map<string, number[]>();
  for (const [snapshot, node] of held) {
    const place = places.get(node);
    if (place === undefined) continue;
    const list = holders.get(snapshot);
    if (list === undefined) holders.set(snapshot, [place]);
    else list.push(place);
  }
  return {
    nodes,
    variantOf: Int32Array.from(nodes, ({ variant }) => variants.of(variant)),
    variants: variants.texts,
    labelsOf: Int32Array.from(nodes, (node) => labels.of(labelsText(node.labels))),
    labelSets: labels.texts.map(
      (text) => Object.fromEntries(JSON.parse(text) as [string, string][]) as Labels,
    ),
    closed: Int8Array.from(nodes, closedBy),
    freeSandboxes: Float64Array.from(nodes, ({ freeSandboxes }) => freeSandboxes),
    freeMemoryMib: Float64Array.from(nodes, ({ freeMemoryMib }) => freeMemoryMib),
    index,
    holders,
    strategies,
  };
}

export function matches(selector: Labels, labels: Labels): boolean {
  return Object.entries(selector).every(([key, value]) => labels[key] === value);
}
