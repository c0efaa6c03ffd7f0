/**
 * Class, pool and plan of nodes as labels for other schedulers. Labels that no longer apply are
 * removed: a stale label would place a guest where it dies.
 */
import type { NodeView, PoolView } from "@evenkeel/api";

export const LABEL_FORMATS = ["kubernetes", "nomad"] as const;
export type LabelFormat = (typeof LABEL_FORMATS)[number];

interface Facts {
  readonly class: string | undefined;
  readonly pool: string | undefined;
  /** `POOL-VERSION`, where the node's cold boots go by the version that runs. */
  readonly plan: string | undefined;
}

/** The prefix of all our labels. */
export const LABEL_PREFIX = "evenkeel.dev";

/** What Kubernetes accepts as a value; it contains nothing that is special to a shell. */
export const LABEL_VALUE = /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/;

function value(text: string | null | undefined): string | undefined {
  return text !== null && text !== undefined && LABEL_VALUE.test(text) ? text : undefined;
}

/** A node that gets no new work because it changed, or is lost, gets no labels. */
function factsOf(node: NodeView, pools: readonly PoolView[]): Facts {
  const { held, state, plan, planError } = node;
  if (held !== null || state === "lost") {
    return { class: undefined, pool: undefined, plan: undefined };
  }
  const pool = pools.find(({ name }) => name === node.pool);
  const isApplied =
    plan !== null &&
    planError === null &&
    plan.pool === pool?.name &&
    plan.version === pool.running;
  return {
    class: value(node.class),
    pool: value(node.pool),
    plan: isApplied ? value(`${plan.pool}-${plan.version}`) : undefined,
  };
}

const KEYS = ["class", "pool", "plan"] as const;

function kubernetes(name: string, facts: Facts): string {
  const labels = KEYS.map((key) => {
    const text = facts[key];
    return text === undefined ? `${LABEL_PREFIX}/${key}-` : `${LABEL_PREFIX}/${key}=${text}`;
  });
  return `kubectl label node ${name} --overwrite ${labels.join(" ")}`;
}

function nomad(name: string, facts: Facts): string {
  const gone = KEYS.filter((key) => facts[key] === undefined).map((key) => `evenkeel_${key}`);
  const unset = gone.length === 0 ? "" : ` -unset ${gone.join(",")}`;
  const set = KEYS.filter((key) => facts[key] !== undefined)
    .map((key) => ` evenkeel_${key}=${facts[key]}`)
    .join("");
  // Without an id, Nomad would change the node that it asks.
  const find = `id="$(nomad node status -quiet -filter 'Name == "${name}"')"`;
  return `${find} && [ -n "$id" ] && nomad node meta apply -node-id "$id"${unset}${set}`;
}

/** One command per node, by the name that both sides use. */
export function labelLines(
  format: LabelFormat,
  nodes: readonly NodeView[],
  pools: readonly PoolView[],
): string[] {
  const line = format === "kubernetes" ? kubernetes : nomad;
  return nodes
    .filter(({ name }) => LABEL_VALUE.test(name))
    .map((node) => line(node.name, factsOf(node, pools)));
}
