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
  /** Digest of the plan that shapes its cold boots. */
  readonly plan?: string | undefined;
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
  /** On nodes that apply the contract's own plan: with what was accepted in it. */
  underPlan(contract: string, variant: string): Verdict;
  /** Digest of the plan that a contract is of. */
  planOf(contract: string): string | undefined;
  has(contract: string): boolean;
  /** Whether anybody judged the pair, with whatever verdict. */
  judged(contract: string, variant: string): boolean;
  /** How many contracts a variant can resume. */
  served(variant: string): number;
}

/** What nodes have in common that a question asks about. */
interface Group {
  readonly variant: number;
  readonly labels: number;
  readonly pool: string | undefined;
  readonly plan: string | undefined;
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
  /** Of each node: its group, as an index into `groups`. */
  readonly groupOf: Int32Array;
  readonly groups: readonly Group[];
  /** Of each node: what keeps it from getting any work, as an index into `CLOSED`; -1: nothing. */
  readonly closed: Int8Array;
  readonly freeSandboxes: Float64Array;
  readonly freeMemoryMib: Float64Array;
  readonly index: VerdictIndex;
  /** Nodes that hold a snapshot's files, as indices, by the snapshot's digest. */
  readonly holders: { get(snapshot: string): readonly number[] | undefined };
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

/** Whether it gets new work. */
export function isOpen(node: FleetNode): boolean {
  return closedBy(node) < 0;
}

/** What a node may make of a contract: more where it applies the contract's own plan. */
export function verdictOn(
  index: VerdictIndex,
  contract: string,
  { variant, plan }: Pick<FleetNode, "variant" | "plan">,
): Verdict {
  const isOwn = plan !== undefined && plan === index.planOf(contract);
  return isOwn ? index.underPlan(contract, variant) : index.verdict(contract, variant);
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

/** Groups of nodes, numbered as they come. */
function grouping() {
  const [variants, labels, keys] = [numbering(), numbering(), numbering()];
  const labelSets: Labels[] = [];
  const groups: Group[] = [];
  return {
    variants: variants.texts,
    labelSets,
    groups,
    of: (node: FleetNode): number => {
      const text = labelsText(node.labels);
      const [variant, set] = [variants.of(node.variant), labels.of(text)];
      labelSets[set] ??= Object.fromEntries(JSON.parse(text) as [string, string][]) as Labels;
      const { pool, plan } = node;
      const group = keys.of(JSON.stringify([variant, set, pool, plan]));
      groups[group] ??= { variant, labels: set, pool, plan };
      return group;
    },
  };
}

/** A fleet whose nodes change in place; those that come or go take another layout. */
export interface LiveFleet extends Fleet {
  replace(place: number, node: FleetNode): void;
}

export function layOutLive(
  { nodes, index, strategies }: Omit<FleetInput, "held">,
  holders: Fleet["holders"],
): LiveFleet {
  const own = [...nodes];
  const count = own.length;
  const group = grouping();
  const columns = {
    groupOf: new Int32Array(count),
    variantOf: new Int32Array(count),
    labelsOf: new Int32Array(count),
    closed: new Int8Array(count),
    freeSandboxes: new Float64Array(count),
    freeMemoryMib: new Float64Array(count),
  };
  const replace = (place: number, node: FleetNode) => {
    const number = group.of(node);
    own[place] = node;
    columns.groupOf[place] = number;
    columns.variantOf[place] = group.groups[number]?.variant ?? 0;
    columns.labelsOf[place] = group.groups[number]?.labels ?? 0;
    columns.closed[place] = closedBy(node);
    columns.freeSandboxes[place] = node.freeSandboxes;
    columns.freeMemoryMib[place] = node.freeMemoryMib;
  };
  for (const [place, node] of own.entries()) replace(place, node);
  const { variants, labelSets, groups } = group;
  return {
    nodes: own,
    ...columns,
    variants,
    labelSets,
    groups,
    index,
    holders,
    strategies,
    replace,
  };
}

export function layOutFleet({ held, ...input }: FleetInput): Fleet {
  const places = new Map(input.nodes.map(({ id }, i) => [id, i]));
  const holders = new Map<string, number[]>();
  for (const [snapshot, node] of held) {
    const place = places.get(node);
    if (place === undefined) continue;
    const list = holders.get(snapshot);
    if (list === undefined) holders.set(snapshot, [place]);
    else list.push(place);
  }
  return layOutLive(input, holders);
}

export function matches(selector: Labels, labels: Labels): boolean {
  return Object.entries(selector).every(([key, value]) => labels[key] === value);
}
