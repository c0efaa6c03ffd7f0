/** Nodes and classes as operators see them. */
import { desc, eq, inArray, sql } from "drizzle-orm";
import type { NodeView } from "@evenkeel/api";
import { groupBy } from "@evenkeel/core";
import type { Context, Times } from "../context.ts";
import { ServerError } from "../errors.ts";
import type { NodeState } from "../placement/fleet.ts";
import { contracts, nodeHistory, nodes, profiles, variants, verdicts } from "../store/schema.ts";
import type { Queryable } from "../store/store.ts";
import { allPools, poolOf, type PoolRow } from "./membership.ts";

/** How long a node has been silent, by the store's clock. */
export const SILENT = sql<number>`extract(epoch from now() - ${nodes.seen})::float8`;

export function stateAfter(silentSeconds: number, times: Times): NodeState {
  if (silentSeconds >= times.lostSeconds) return "lost";
  return silentSeconds >= times.suspectSeconds ? "suspect" : "ready";
}

/** Why a node gets no new work, if so. */
export function heldOf(row: { held: string | null; pendingProfile: string | null }): string | null {
  if (row.held !== null) return row.held;
  return row.pendingProfile === null ? null : "its profile has changed and is not known yet";
}

const COLUMNS = {
  node: nodes,
  silent: SILENT,
  class: profiles.class,
  firecracker: profiles.firecracker,
  kernel: profiles.kernel,
  microcode: profiles.microcode,
};

function rowsOf(tx: Queryable) {
  return tx.select(COLUMNS).from(nodes).innerJoin(profiles, eq(profiles.digest, nodes.profile));
}

type Row = Awaited<ReturnType<typeof rowsOf>>[number];

function planOf({ planPool, planVersion, planDigest }: Row["node"]): NodeView["plan"] {
  if (planPool === null || planVersion === null || planDigest === null) return null;
  return { pool: planPool, version: planVersion, digest: planDigest };
}

function viewOf(row: Row, pools: readonly PoolRow[], times: Times): NodeView {
  const { node } = row;
  return {
    id: node.id,
    name: node.name,
    state: stateAfter(row.silent, times),
    held: heldOf(node),
    cordoned: node.cordoned,
    class: row.class,
    variant: node.variant,
    labels: node.labels,
    pool: poolOf(node.labels, pools)?.name ?? null,
    plan: planOf(node),
    planError: node.planError,
    capacity: node.capacity,
    profile: node.profile,
    firecracker: [...row.firecracker],
    kernel: row.kernel,
    microcode: row.microcode,
    joined: node.joined.toISOString(),
    seen: node.seen.toISOString(),
    certificateExpires: node.certificateExpires.toISOString(),
  };
}

/** All of them, or those that are named. */
export async function listNodes(
  { times }: Context,
  tx: Queryable,
  names?: readonly string[],
): Promise<NodeView[]> {
  const pools = await allPools(tx);
  const rows = rowsOf(tx).where(names === undefined ? undefined : inArray(nodes.name, [...names]));
  return (await rows.orderBy(nodes.name)).map((row) => viewOf(row, pools, times));
}

/** Throws NO_SUCH_NODE. */
export async function getNode({ times }: Context, tx: Queryable, name: string): Promise<NodeView> {
  const [row] = await rowsOf(tx).where(eq(nodes.name, name));
  if (row === undefined) throw new ServerError("NO_SUCH_NODE", `there is no node "${name}"`);
  return viewOf(row, await allPools(tx), times);
}

/** Newest first; throws NO_SUCH_NODE. */
export async function historyOf(context: Context, tx: Queryable, name: string) {
  const { id } = await getNode(context, tx, name);
  // A profile's own text is long, and nothing here reads it.
  const { class: ofClass, kernel, microcode, bios, firecracker } = profiles;
  const rows = await tx
    .select({
      change: nodeHistory,
      profile: { class: ofClass, kernel, microcode, bios, firecracker },
    })
    .from(nodeHistory)
    .innerJoin(profiles, eq(profiles.digest, nodeHistory.profile))
    .where(eq(nodeHistory.node, id))
    .orderBy(desc(nodeHistory.id))
    .limit(1000);
  return rows.map(({ change, profile }) => ({
    time: change.time.toISOString(),
    profile: change.profile,
    class: profile.class,
    kernel: profile.kernel,
    microcode: profile.microcode,
    bios: profile.bios,
    firecracker: [...profile.firecracker],
    drift: change.drift,
    reasons: [...change.reasons],
  }));
}

async function servedBy(tx: Queryable): Promise<Map<string, number>> {
  const rows = await tx
    .select({ variant: verdicts.variant, count: sql<string>`count(*)` })
    .from(verdicts)
    .where(eq(verdicts.verdict, "compatible"))
    .groupBy(verdicts.variant);
  return new Map(rows.map(({ variant, count }) => [variant, Number(count)]));
}

/** Classes that have nodes, and of each what verdicts tell apart. */
export async function listClasses(tx: Queryable) {
  const served = await servedBy(tx);
  // Profiles' own texts are long, and nothing here reads them.
  const rows = await tx
    .select({
      name: nodes.name,
      variant: {
        id: variants.id,
        class: variants.class,
        arch: variants.arch,
        created: variants.created,
      },
      profile: {
        kernel: profiles.kernel,
        firecracker: profiles.firecracker,
        tscKhz: profiles.tscKhz,
      },
    })
    .from(nodes)
    .innerJoin(variants, eq(variants.id, nodes.variant))
    .innerJoin(profiles, eq(profiles.digest, nodes.profile))
    .orderBy(variants.class, nodes.name);
  const classes = groupBy(rows, ({ variant }) => variant.class);
  const [count] = await tx.select({ contracts: sql<string>`count(*)` }).from(contracts);
  return {
    contracts: Number(count?.contracts ?? 0),
    classes: [...classes].map(([name, members]) => ({
      class: name,
      arch: members[0]?.variant.arch ?? "",
      nodes: members.length,
      since: new Date(
        Math.min(...members.map(({ variant }) => variant.created.getTime())),
      ).toISOString(),
      variants: [...groupBy(members, ({ variant }) => variant.id)].map(([id, own]) => ({
        variant: id,
        kernel: own[0]?.profile.kernel ?? null,
        firecracker: [...(own[0]?.profile.firecracker ?? [])],
        tscKhz: own[0]?.profile.tscKhz ?? null,
        nodes: own.map((node) => node.name),
        serves: served.get(id) ?? 0,
      })),
    })),
  };
}
