/** Several pools instead of one: which classes belong together, and what joining them costs. */
import { simulate } from "../firecracker/simulate.ts";
import type { NodeClass } from "../profile/class.ts";
import { UNCOUNTED_GROUPS } from "../tables/groups.ts";
import { fieldByName } from "../tables/lookup.ts";
import { close } from "./close.ts";
import { merge } from "./merge.ts";

export interface SplitOptions {
  readonly pools?: number;
  readonly maxLoss?: number;
}

/** Joining two groups: the cheapest of all joins that are possible at that step. */
export interface Join {
  readonly left: readonly string[];
  readonly right: readonly string[];
  /** Features that the one and the other side give up for it. */
  readonly leftLoses: readonly string[];
  readonly rightLoses: readonly string[];
  /** Features given up, counted once per node. */
  readonly cost: number;
  /** The most that any class would then have given up, against what it offers. */
  readonly worstLoss: number;
  readonly joined: boolean;
}

export interface Split {
  readonly pools: readonly (readonly NodeClass[])[];
  readonly tree: readonly Join[];
}

interface Group {
  readonly classes: readonly NodeClass[];
  readonly features: ReadonlySet<string>;
  /** The most features that one of its classes offers. */
  readonly offered: number;
}

/** What a class's own guests have: the counted features, closed. */
function groupOf(nodeClass: NodeClass, line: string): Group {
  const merged = merge(nodeClass.type, [simulate(nodeClass.cpu, nodeClass.type, line)]);
  close(merged);
  const names = [...merged.features]
    .filter(([, { value, field }]) => value !== 0n && !UNCOUNTED_GROUPS.has(field.group))
    .map(([name]) => name);
  return { classes: [nodeClass], features: new Set(names), offered: names.length };
}

/** Features of both that still have what they need. */
function common(a: Group, b: Group): Set<string> {
  const shared = new Set([...a.features].filter((name) => b.features.has(name)));
  const counted = (name: string) => !UNCOUNTED_GROUPS.has(fieldByName(name)?.group ?? "");
  for (let size = -1; size !== shared.size;) {
    size = shared.size;
    for (const name of shared) {
      const needed = (fieldByName(name)?.requires ?? []).filter(counted);
      if (needed.some((other) => !shared.has(other))) shared.delete(name);
    }
  }
  return shared;
}

function nodesOf({ classes }: Group): number {
  return classes.reduce((sum, { nodes }) => sum + nodes.length, 0);
}

function evaluate(left: Group, right: Group): { join: Join; group: Group } {
  const features = common(left, right);
  const loses = (group: Group) => [...group.features].filter((name) => !features.has(name));
  const [leftLoses, rightLoses] = [loses(left), loses(right)];
  const offered = Math.max(left.offered, right.offered);
  const ids = ({ classes }: Group) => classes.map(({ id }) => id);
  return {
    join: {
      left: ids(left),
      right: ids(right),
      leftLoses,
      rightLoses,
      cost: leftLoses.length * nodesOf(left) + rightLoses.length * nodesOf(right),
      worstLoss: offered - features.size,
      joined: true,
    },
    group: { classes: [...left.classes, ...right.classes], features, offered },
  };
}

function cheapest(groups: readonly Group[]) {
  let best: { i: number; j: number; step: ReturnType<typeof evaluate> } | undefined;
  for (const [i, left] of groups.entries()) {
    for (const [j, right] of groups.entries()) {
      if (j <= i || left.classes[0]?.type !== right.classes[0]?.type) continue;
      const step = evaluate(left, right);
      if (best === undefined || step.join.cost < best.step.join.cost) best = { i, j, step };
    }
  }
  return best;
}

function isAllowed(join: Join, groups: number, { pools, maxLoss }: SplitOptions): boolean {
  if (pools !== undefined && groups <= pools) return false;
  return maxLoss === undefined || join.worstLoss <= maxLoss;
}

/** Joins classes where it costs least, as far as asked for; the tree shows what more would cost. */
export function splitClasses(
  classes: readonly NodeClass[],
  line: string,
  options: SplitOptions,
): Split {
  let groups = classes.map((nodeClass) => groupOf(nodeClass, line));
  let pools = groups;
  let open = true;
  const tree: Join[] = [];
  for (let best = cheapest(groups); best !== undefined; best = cheapest(groups)) {
    const { i, j, step } = best;
    open &&= isAllowed(step.join, groups.length, options);
    tree.push({ ...step.join, joined: open });
    groups = [...groups.filter((_, k) => k !== i && k !== j), step.group];
    if (open) pools = groups;
  }
  return { pools: pools.map((group) => group.classes), tree };
}
