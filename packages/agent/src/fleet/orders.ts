/**
 * The server's last orders to the node, on disk before they are carried out: a withdrawn plan does
 * not come back with a restart, whatever caused the restart.
 */
import { readFileSync } from "node:fs";
import type { PlanReference } from "@evenkeel/api";
import { z } from "zod";
import type { ColdBoots } from "../cpu/current.ts";
import type { CpuShape } from "../cpu/shape.ts";
import { keepFile, type FleetPaths } from "./identity.ts";

export const Reference = z.strictObject({
  pool: z.string(),
  version: z.int(),
  digest: z.string().regex(/^[0-9a-f]{64}$/),
});

export const Pool = z.object({ name: z.string(), unplanned: z.enum(["refuse", "allow"]) });

const Orders = z.object({
  /** Null: the node is in no pool. */
  pool: Pool.nullable(),
  /** The version that the server names; null: none. */
  wanted: Reference.nullable(),
  /** The version that shapes cold boots. */
  applied: Reference.nullable(),
});
export type Orders = z.infer<typeof Orders>;
export type Told = Pick<Orders, "pool" | "wanted">;

export function isSame(a: PlanReference | null, b: PlanReference | null): boolean {
  return a?.pool === b?.pool && a?.version === b?.version && a?.digest === b?.digest;
}

/**
 * Whether guests may still boot with an applied version: with the named one, or with an earlier one
 * until the named one is applied. A later version was rolled back; it may not be used, nor may one
 * of another pool or of a pool without a plan.
 */
function mayStay({ pool, wanted }: Told, applied: PlanReference): boolean {
  if (wanted === null || pool?.name !== applied.pool || wanted.pool !== applied.pool) return false;
  if (applied.version === wanted.version) return applied.digest === wanted.digest;
  return applied.version < wanted.version;
}

/** The orders after the server's answer. */
export function ordersAfter(before: Orders | undefined, told: Told): Orders {
  const applied = before?.applied ?? null;
  return { ...told, applied: applied !== null && mayStay(told, applied) ? applied : null };
}

function whyNot({ pool, wanted }: Told, error: string | undefined): string {
  if (wanted === null) return `pool ${pool?.name} has no approved plan`;
  const of = `version ${wanted.version} of pool ${wanted.pool}'s plan is not applied`;
  return error === undefined ? `${of} yet` : `${of}: ${error}`;
}

/** `shape`: of the applied version. `error`: why the named one is not applied. */
export function coldBootsBy(
  orders: Orders | undefined,
  shape: CpuShape | undefined,
  error: string | undefined,
): ColdBoots {
  if (orders === undefined) {
    return {
      kind: "refused",
      why: "the fleet server has not said yet which plan this node must apply",
    };
  }
  const { pool } = orders;
  if (pool === null) return { kind: "own" };
  if (shape !== undefined) return { kind: "plan", shape };
  const why = whyNot(orders, error);
  return { kind: pool.unplanned === "allow" ? "unplanned" : "refused", why };
}

/** Undefined if the server has sent no orders, or if they can no longer be read. */
export function readOrders({ orders: path }: FleetPaths): Orders | undefined {
  try {
    return Orders.parse(JSON.parse(readFileSync(path, "utf8")));
  } catch {
    return undefined;
  }
}

export async function keepOrders(paths: FleetPaths, orders: Orders): Promise<void> {
  await keepFile(paths, paths.orders, `${JSON.stringify(orders)}\n`);
}
