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
  /** Takes a row of the store; says whether the node's list of snapshots is another one. */
  take(row: NodeRow, silent: number): boolean;
  keepOnly(ids: ReadonlySet<string>): void;
  setPools(pools: readonly LivePool[]): void;
}

export function openLiveState(index: VerdictIndex, times: Times): LiveState {
  const nodes = new Map<string, LiveNode>();
  const places = new Map<string, number>();
  const held = openHolders();
  let pools: readonly LivePool[] = [];
  let laidOut: LiveFleet | undefined;
  let agedAt = -Infinity;

  const holders: Fleet["holders"] = {
    get: (snapshot) =>
      held.nodes(snapshot).flatMap((id) => {
        const place = places.get(id);
        return place === undefined ? [] : [place];
      }),
  };
  const layOut = (): LiveFleet => {
    const sorted = [...nodes.values()].toSorted((a, b) => (a.row.name < b.row.name ? -1 : 1));
    places.clear();
    for (const [place, { row }] of sorted.entries()) places.set(row.id, place);
    const strategies = new Map(pools.map(({ name, strategy }) => [name, strategy]));
    return layOutLive({ nodes: sorted.map(asFleetNode), index, strategies }, holders);
  };
  const show = (node: LiveNode) => {
    const place = places.get(node.row.id);
    if (place !== undefined) laidOut?.replace(place, asFleetNode(node));
  };
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
      laidOut ??= layOut();
      return laidOut;
    },
    take: (row, silent) => {
      const known = nodes.get(row.id);
      const isMoved = known?.row.snapshots !== row.snapshots;
      const node = takeRow(known, row, silent, pools);
      node.state = stateOf(node, times);
      nodes.set(row.id, node);
      if (known === undefined) laidOut = undefined;
      else show(node);
      return isMoved;
    },
    keepOnly: (ids) => {
      for (const [id] of nodes) {
        if (ids.has(id)) continue;
        nodes.delete(id);
        held.set([id], []);
      }
      laidOut = undefined;
    },
    setPools: (all) => {
      if (JSON.stringify(all) === JSON.stringify(pools)) return;
      pools = all;
      for (const node of nodes.values()) takeRow(node, node.row, Infinity, pools);
      laidOut = undefined;
    },
  };
}
