/** The merge tree of classes, laid out: which joint is where, and which pools a cut leaves. */
import type { Join as Joint } from "@evenkeel/core";

export type { Join as Joint } from "@evenkeel/core";

interface Point {
  /** Steps from the leaves: 0 for a class, i + 1 for the i-th joint. */
  readonly step: number;
  /** In rows of leaves, halves included. */
  readonly row: number;
}

export interface PlacedJoint extends Point {
  readonly joint: Joint;
  readonly left: Point;
  readonly right: Point;
}

export interface TreeLayout {
  /** Classes from top to bottom, so that no lines cross. */
  readonly leaves: readonly string[];
  readonly joints: readonly PlacedJoint[];
  /** How many joints were made: the cut lies behind them. */
  readonly cut: number;
  /** By cut, from none to all: the number of each leaf's pool, from 0. */
  readonly pools: readonly (readonly number[])[];
}

const keyOf = (ids: readonly string[]) => JSON.stringify(ids.toSorted());

/** Leaves in an order in which every group stands together. */
function orderLeaves(classes: readonly string[], tree: readonly Joint[]): string[] {
  const orders = new Map(classes.map((id) => [keyOf([id]), [id]]));
  for (const { left, right } of tree) {
    const take = (ids: readonly string[]) => {
      const key = keyOf(ids);
      const order = orders.get(key) ?? [...ids];
      orders.delete(key);
      return order;
    };
    orders.set(keyOf([...left, ...right]), [...take(left), ...take(right)]);
  }
  return [...orders.values()].flat();
}

function poolsAt(leaves: readonly string[], tree: readonly Joint[], cut: number): number[] {
  const poolOf = new Map(leaves.map((id) => [id, new Set([id])]));
  for (const { left, right } of tree.slice(0, cut)) {
    const joined = new Set([...left, ...right]);
    for (const id of joined) poolOf.set(id, joined);
  }
  const numbers = new Map<ReadonlySet<string>, number>();
  return leaves.map((id) => {
    const pool = poolOf.get(id) ?? new Set([id]);
    const number = numbers.get(pool) ?? numbers.size;
    numbers.set(pool, number);
    return number;
  });
}

export function layOutTree(classes: readonly string[], tree: readonly Joint[]): TreeLayout {
  const all = [...new Set([...classes, ...tree.flatMap(({ left, right }) => [...left, ...right])])];
  const leaves = orderLeaves(all, tree);
  const points = new Map<string, Point>(
    leaves.map((id, row) => [keyOf([id]), { step: 0, row }] as const),
  );
  const joints = tree.map((joint, i): PlacedJoint => {
    const left = points.get(keyOf(joint.left)) ?? { step: 0, row: 0 };
    const right = points.get(keyOf(joint.right)) ?? { step: 0, row: 0 };
    const point = { step: i + 1, row: (left.row + right.row) / 2 };
    points.set(keyOf([...joint.left, ...joint.right]), point);
    return { joint, left, right, ...point };
  });
  return {
    leaves,
    joints,
    cut: tree.filter(({ joined }) => joined).length,
    pools: Array.from({ length: tree.length + 1 }, (_, cut) => poolsAt(leaves, tree, cut)),
  };
}
