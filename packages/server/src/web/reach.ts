/** Which nodes can resume what, from the fleet in memory: 5,000 contracts are some milliseconds. */
import type { Fleet } from "../placement/fleet.ts";

export interface Reach {
  /** Nodes that the verdict allows, whatever their state. */
  readonly nodes: number;
  /** Their classes; two are as many as anybody asks about. */
  readonly classes: readonly string[];
}

export interface Kind {
  readonly variant: string;
  readonly class: string;
  readonly nodes: number;
}

/** Nodes that no verdict tells apart. */
export function kindsOf({ nodes, variants, variantOf }: Fleet): Kind[] {
  const counts = variants.map(() => 0);
  const classes = variants.map(() => "");
  for (const [place, variant] of variantOf.entries()) {
    counts[variant] = (counts[variant] ?? 0) + 1;
    classes[variant] = nodes[place]?.class ?? "";
  }
  return variants
    .map((variant, i) => ({ variant, class: classes[i] ?? "", nodes: counts[i] ?? 0 }))
    .filter(({ nodes: count }) => count > 0);
}

export function reachIn(fleet: Fleet): (contract: string) => Reach {
  const kinds = kindsOf(fleet);
  return (contract) => {
    const able = kinds.filter(
      ({ variant }) => fleet.index.verdict(contract, variant) === "compatible",
    );
    return {
      nodes: able.reduce((sum, { nodes }) => sum + nodes, 0),
      classes: [...new Set(able.map((kind) => kind.class))].slice(0, 2),
    };
  };
}
