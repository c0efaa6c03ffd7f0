/** Where the ways that part in a function meet again. */
import type { Block } from "./blocks.ts";

/** The order in which blocks are left for good when all are visited from `root`. */
function postorder(root: number, edges: (index: number) => readonly number[]): number[] {
  const order: number[] = [];
  const seen = new Set([root]);
  const stack: { index: number; next: number }[] = [{ index: root, next: 0 }];
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    const to = edges(top.index)[top.next++];
    if (to === undefined) {
      order.push(top.index);
      stack.pop();
    } else if (!seen.has(to)) {
      seen.add(to);
      stack.push({ index: to, next: 0 });
    }
  }
  return order;
}

/**
 * Immediate postdominators. Source: Cooper, Harvey, Kennedy, "A Simple, Fast Dominance Algorithm",
 * on the graph with its edges turned round. Paths that never leave the function do not count.
 */
export function findMeetings(blocks: readonly Block[]): void {
  const exit = blocks.length;
  const before: number[][] = [...blocks, undefined].map(() => []);
  for (const [i, { next, leaves }] of blocks.entries()) {
    for (const to of next) before[to]?.push(i);
    if (leaves) before[exit]?.push(i);
  }
  const order = postorder(exit, (i) => before[i] ?? []).toReversed();
  const rank = new Int32Array(exit + 1);
  for (const [i, index] of order.entries()) rank[index] = order.length - i;
  const nearest = new Int32Array(exit + 1).fill(-1);
  nearest[exit] = exit;
  const common = (a: number, b: number): number => {
    let [x, y] = [a, b];
    while (x !== y) {
      while ((rank[x] ?? 0) < (rank[y] ?? 0)) x = nearest[x] ?? exit;
      while ((rank[y] ?? 0) < (rank[x] ?? 0)) y = nearest[y] ?? exit;
    }
    return x;
  };
  for (let changed = true; changed;) {
    changed = false;
    for (const index of order) {
      if (index === exit) continue;
      const block = blocks[index];
      let met = block?.leaves === true ? exit : -1;
      for (const to of block?.next ?? []) {
        if (nearest[to] === -1) continue;
        met = met === -1 ? to : common(met, to);
      }
      if (met === -1 || nearest[index] === met) continue;
      nearest[index] = met;
      changed = true;
    }
  }
  for (const [i, block] of blocks.entries()) {
    const met = nearest[i] ?? -1;
    block.meets = met === exit || met === -1 ? undefined : met;
    block.returns = met !== -1;
  }
}
