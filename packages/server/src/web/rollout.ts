/** `GET /v1/pools/:name/rollout`: who was told a plan version, and what each node made of it. */
import { and, eq } from "drizzle-orm";
import type { RolloutView } from "@evenkeel/api";
import type { Context } from "../context.ts";
import { ServerError } from "../errors.ts";
import { heldOf, SILENT, stateAfter } from "../nodes/view.ts";
import { matches } from "../placement/fleet.ts";
import { requirePool } from "../pools/pools.ts";
import { isReleased } from "../pools/waves.ts";
import { nodes, planVersions, profiles, rollouts } from "../store/schema.ts";
import type { Queryable } from "../store/store.ts";

type Rollout = typeof rollouts.$inferSelect;
type Node = RolloutView["nodes"][number];

const WAVES: readonly Node["wave"][] = ["canary", "share", "all"];
const CHECKS: readonly Node["check"][] = ["refused", "away", "waiting", "applied", "untold"];

function waveOf({ canaries }: Rollout, id: string): Node["wave"] {
  const first = WAVES.find((stage) => isReleased({ stage, state: "rolling", canaries }, id));
  return first ?? "all";
}

interface Answer {
  readonly told: boolean;
  readonly ready: boolean;
  readonly applied: string | null;
  readonly refused: string | null;
}

function checkOf(digest: string, { told, ready, applied, refused }: Answer): Node["check"] {
  if (refused === digest) return "refused";
  if (applied === digest) return "applied";
  if (!told) return "untold";
  return ready ? "waiting" : "away";
}

async function nodesOf(context: Context, tx: Queryable, row: Rollout, digest: string) {
  const { selector } = await requirePool(tx, row.pool);
  const members = await tx
    .select({ node: nodes, class: profiles.class, silent: SILENT })
    .from(nodes)
    .innerJoin(profiles, eq(profiles.digest, nodes.profile))
    .orderBy(nodes.name);
  const done = row.state === "done";
  return members
    .filter(({ node }) => matches(selector, node.labels))
    .map(({ node, class: name, silent }): Node => {
      const ready =
        stateAfter(silent, context.times) === "ready" && heldOf(node) === null && !node.cordoned;
      const told = done || isReleased(row, node.id);
      const answer = { told, ready, applied: node.planDigest, refused: node.planRefused };
      const check = checkOf(digest, answer);
      const error = check === "applied" ? null : node.planError;
      return { node: node.name, class: name, wave: waveOf(row, node.id), check, error };
    })
    .toSorted(
      (a, b) =>
        WAVES.indexOf(a.wave) - WAVES.indexOf(b.wave) ||
        CHECKS.indexOf(a.check) - CHECKS.indexOf(b.check),
    );
}

/** Throws NO_SUCH_POOL; NO_SUCH_PLAN where nothing ever rolled out in waves. */
export async function rolloutOf(context: Context, pool: string): Promise<RolloutView> {
  const { db } = context.store;
  const { running } = await requirePool(db, pool);
  const [row] = await db.select().from(rollouts).where(eq(rollouts.pool, pool));
  if (row === undefined) {
    throw new ServerError("NO_SUCH_PLAN", `nothing has rolled out in waves in pool ${pool} yet`);
  }
  const { version, stage, state, why } = row;
  const [planned] = await db
    .select({ digest: planVersions.digest })
    .from(planVersions)
    .where(and(eq(planVersions.pool, pool), eq(planVersions.version, version)));
  return {
    pool,
    version,
    before: running === version ? null : running,
    stage,
    state,
    why,
    started: row.started.toISOString(),
    stageSince: row.stageSince.toISOString(),
    nodes: await nodesOf(context, db, row, planned?.digest ?? ""),
  };
}
