/** Which nodes can resume what, from the fleet in memory: 5,000 contracts are some milliseconds. */
import { verdictOn, type Fleet } from "../placement/fleet.ts";

export interface Reach {
  /** Nodes that the verdict allows, whatever their state. */
  readonly nodes: number;
  /** Their classes; two are as many as anybody asks about. */
  readonly classes: readonly string[];
}

export interface Kind {
  readonly variant: string;
  /** The plan that they apply, under which they may honour what was accepted in it. */
  readonly plan: string | undefined;
  readonly class: string;
  readonly nodes: number;
}

/** Nodes that no verdict tells apart. */
export function kindsOf({ nodes }: Pick<Fleet, "nodes">): Kind[] {
  const kinds = new Map<string, Kind>();
  for (const { variant, plan, class: name } of nodes) {
    const key = `${variant} ${plan ?? ""}`;
    kinds.set(key, { variant, plan, class: name, nodes: (kinds.get(key)?.nodes ?? 0) + 1 });
  }
  return [...kinds.values()];
}

export function reachIn(fleet: Fleet): (contract: string) => Reach {
  const kinds = kindsOf(fleet);
  return (contract) => {
    const able = kinds.filter((kind) => verdictOn(fleet.index, contract, kind) === "compatible");
    return {
      nodes: able.reduce((sum, { nodes }) => sum + nodes, 0),
      classes: [...new Set(able.map((kind) => kind.class))].slice(0, 2),
    };
  };
}
