/** What draining a node comes to: what runs there, what is there alone, and where it can go. */
import { eq, inArray } from "drizzle-orm";
import type { Drain } from "@evenkeel/api";
import { isOpen, verdictOn, type Fleet, type FleetNode } from "../placement/fleet.ts";
import { heldSnapshots, sandboxes } from "../store/schema.ts";
import type { Queryable } from "../store/store.ts";

export interface DrainPlan {
  readonly pause: readonly string[];
  readonly move: readonly {
    readonly snapshot: string;
    readonly name: string;
    readonly to: FleetNode;
  }[];
  readonly stay: Drain["stay"];
  /** Sandboxes that something is under way with, or whose snapshot is not reported yet. */
  readonly busy: number;
}

/** Where what leaves a node could go. */
type Others = Pick<Fleet, "nodes" | "index">;

function canResume({ index }: Others, contract: string, node: FleetNode): boolean {
  return verdictOn(index, contract, node) === "compatible";
}

/** Open nodes that can resume a contract, the emptiest first. A snapshot's files need no room. */
function ableFor(fleet: Others, contract: string, but: string): FleetNode[] {
  return fleet.nodes
    .filter((node) => node.id !== but && isOpen(node) && canResume(fleet, contract, node))
    .toSorted((a, b) => b.freeMemoryMib - a.freeMemoryMib);
}

function reasonFor(fleet: Others, contract: string, but: string): string {
  const closed = fleet.nodes.filter(
    (node) => node.id !== but && canResume(fleet, contract, node),
  ).length;
  return closed === 0
    ? "no other node can resume it"
    : `no other open node can resume it; ${closed} that can are cordoned, held, suspect or lost`;
}

/** Ids of nodes that a snapshot's files are on, by digest: of those that this node holds. */
async function holdersOf(tx: Queryable, node: string) {
  const own = await tx.select().from(heldSnapshots).where(eq(heldSnapshots.node, node));
  const digests = [...new Set(own.map(({ digest }) => digest))];
  const all =
    digests.length === 0
      ? []
      : await tx
          .select({ digest: heldSnapshots.digest, node: heldSnapshots.node })
          .from(heldSnapshots)
          .where(inArray(heldSnapshots.digest, digests));
  const holders = new Map<string, Set<string>>();
  for (const { digest, node: holder } of all) {
    holders.set(digest, (holders.get(digest) ?? new Set()).add(holder));
  }
  return { own, holders };
}

async function sandboxesOn(tx: Queryable, node: string) {
  return await tx.select().from(sandboxes).where(eq(sandboxes.node, node)).orderBy(sandboxes.id);
}

export async function planDrain(tx: Queryable, fleet: Others, node: string): Promise<DrainPlan> {
  const open = new Set(fleet.nodes.filter(isOpen).map(({ id }) => id));
  const all = await sandboxesOn(tx, node);
  const running = all.filter(({ state, work }) => state === "running" && work === null);
  const { own, holders } = await holdersOf(tx, node);
  const held = new Set(own.map(({ digest }) => digest));
  const busy = all.filter(
    ({ state, work, snapshot }) =>
      work !== null || (state === "paused" && !held.has(snapshot ?? "")),
  ).length;
  const [move, stay]: [DrainPlan["move"][number][], { what: string; why: string }[]] = [[], []];
  for (const { id, contract } of running) {
    if (contract !== null && ableFor(fleet, contract, node).length > 0) continue;
    const why = contract === null ? "its contract is not known" : reasonFor(fleet, contract, node);
    stay.push({ what: id, why });
  }
  const seen = new Set<string>();
  for (const { digest, name, contract } of own) {
    if (seen.has(digest)) continue;
    seen.add(digest);
    const able = ableFor(fleet, contract, node);
    const others = [...(holders.get(digest) ?? [])].filter((id) => id !== node && open.has(id));
    if (able.length > 0 && others.length > 0) continue;
    const [to] = able;
    if (to === undefined) stay.push({ what: name, why: reasonFor(fleet, contract, node) });
    else move.push({ snapshot: digest, name, to });
  }
  return { pause: running.map(({ id }) => id), move, stay, busy };
}
