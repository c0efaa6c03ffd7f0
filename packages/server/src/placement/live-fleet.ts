/** The fleet laid out, and kept as its nodes change. */
import type { Times } from "../context.ts";
import { layOutLive, type Fleet, type LiveFleet, type VerdictIndex } from "./fleet.ts";
import { openHolders, type Holders } from "./holders.ts";
import {
  asFleetNode,
  stateOf,
  takeRow,
  type LiveNode,
  type LivePool,
  type NodeRow,
} from "./live-nodes.ts";

/** How often nodes are looked at for whether they went silent. */
const AGE_MS = 100;

export interface LiveState {
  readonly nodes: ReadonlyMap<string, LiveNode>;
  readonly held: Holders;
  fleet(): Fleet;
  /** Shows what changed of a node. */
  show(node: LiveNode): void;
  /** Whether the node's list of snapshots is another one than that which was taken. */
  isMoved(row: NodeRow): boolean;
  /** Takes a row of the store. */
  take(row: NodeRow, silent: number): void;
  keepOnly(ids: ReadonlySet<string>): void;
  setPools(pools: readonly LivePool[]): void;
}

/** The layout, made anew when it is asked for after nodes came or went. */
function openLayout(nodes: ReadonlyMap<string, LiveNode>, held: Holders, index: VerdictIndex) {
  const places = new Map<string, number>();
  let laidOut: LiveFleet | undefined;
  const holders: Fleet["holders"] = {
    get: (snapshot) =>
      held.nodes(snapshot).flatMap((id) => {
        const place = places.get(id);
        return place === undefined ? [] : [place];
      }),
  };
  return {
    drop: () => {
      laidOut = undefined;
    },
    get: (pools: readonly LivePool[]): LiveFleet => {
      if (laidOut !== undefined) return laidOut;
      const sorted = [...nodes.values()].toSorted((a, b) => (a.row.name < b.row.name ? -1 : 1));
      places.clear();
      for (const [place, { row }] of sorted.entries()) places.set(row.id, place);
      const strategies = new Map(pools.map(({ name, strategy }) => [name, strategy]));
      laidOut = layOutLive({ nodes: sorted.map(asFleetNode), index, strategies }, holders);
      return laidOut;
    },
    show: (node: LiveNode) => {
      const place = places.get(node.row.id);
      if (place !== undefined) laidOut?.replace(place, asFleetNode(node));
    },
  };
}

export function openLiveState(index: VerdictIndex, times: Times): LiveState {
  const nodes = new Map<string, LiveNode>();
  const held = openHolders();
  const layout = openLayout(nodes, held, index);
  const { show } = layout;
  let pools: readonly LivePool[] = [];
  let agedAt = -Infinity;
  /** Silence is no change of the store. */
  const age = () => {
    const now = performance.now();
    if (now - agedAt < AGE_MS) return;
    agedAt = now;
    for (const node of nodes.values()) {
      const state = stateOf(node, times);
      if (state === node.state) continue;
      node.state = state;
      show(node);
    }
  };

  return {
    nodes,
    held,
    show,
    fleet: () => {
      age();
      return layout.get(pools);
    },
    isMoved: ({ id, snapshots }) => nodes.get(id)?.row.snapshots !== snapshots,
    take: (row, silent) => {
      const known = nodes.get(row.id);
      const node = takeRow(known, row, silent, pools);
      node.state = stateOf(node, times);
      nodes.set(row.id, node);
      if (known === undefined) layout.drop();
      else show(node);
    },
    keepOnly: (ids) => {
      for (const [id] of nodes) {
        if (ids.has(id)) continue;
        nodes.delete(id);
        held.set([id], []);
      }
      layout.drop();
    },
    setPools: (all) => {
      if (JSON.stringify(all) === JSON.stringify(pools)) return;
      pools = all;
      for (const node of nodes.values()) takeRow(node, node.row, Infinity, pools);
      layout.drop();
    },
  };
}
