/** Nodes as this server knows them: rows of the store, and heartbeats that it has heard since. */
import type { Capacity } from "@evenkeel/api";
import type { Times } from "../context.ts";
import { poolOf } from "../nodes/membership.ts";
import { heldOf, stateAfter } from "../nodes/view.ts";
import type { Wave } from "../pools/waves.ts";
import type { FleetNode, Labels } from "./fleet.ts";

/** A pool, with the plan that runs there. */
export interface LivePool {
  readonly name: string;
  readonly selector: Labels;
  readonly strategy: "spread" | "pack";
  readonly unplanned: "refuse" | "allow";
  readonly running: number | null;
  readonly digest: string | null;
  readonly rollout: (Wave & { readonly version: number; readonly digest: string | null }) | null;
}

export interface NodeRow {
  readonly id: string;
  readonly name: string;
  readonly variant: string;
  readonly class: string;
  readonly labels: Labels;
  readonly held: string | null;
  readonly pendingProfile: string | null;
  readonly cordoned: boolean;
  readonly capacity: Capacity;
  readonly profile: string;
  /** Digest of the list of snapshots that it reported last. */
  readonly snapshots: string;
  readonly planPool: string | null;
  readonly planVersion: number | null;
  readonly planDigest: string | null;
  readonly planError: string | null;
  readonly planRefused: string | null;
}

export interface LiveNode {
  row: NodeRow;
  capacity: Capacity;
  /** When it was heard of last, by performance.now(). */
  heardAt: number;
  pool: LivePool | undefined;
  state: FleetNode["state"];
}

export function stateOf({ heardAt }: LiveNode, times: Times): FleetNode["state"] {
  return stateAfter((performance.now() - heardAt) / 1000, times);
}

export function asFleetNode({ row, capacity, pool, state }: LiveNode): FleetNode {
  return {
    id: row.id,
    name: row.name,
    variant: row.variant,
    class: row.class,
    labels: row.labels,
    pool: pool?.name,
    plan: row.planDigest ?? undefined,
    state,
    held: heldOf(row) !== null,
    cordoned: row.cordoned,
    freeSandboxes: Math.max(0, capacity.maxSandboxes - capacity.sandboxes),
    freeMemoryMib: Math.max(0, capacity.maxMemoryMib - capacity.memoryMib),
  };
}

/** `silent`: seconds, by the store's clock. */
export function takeRow(
  known: LiveNode | undefined,
  row: NodeRow,
  silent: number,
  pools: readonly LivePool[],
): LiveNode {
  const heardAt = performance.now() - silent * 1000;
  const pool = poolOf(row.labels, pools);
  if (known === undefined) {
    return { row, capacity: row.capacity, heardAt, pool, state: "ready" };
  }
  // What this server heard itself is newer than what it has written of it.
  const isNewer = heardAt > known.heardAt;
  known.row = row;
  known.pool = pool;
  if (isNewer) [known.heardAt, known.capacity] = [heardAt, row.capacity];
  return known;
}
