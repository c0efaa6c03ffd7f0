/** Makes cold boots follow the server's plan, and reports if they do not. */
import type { PlanReference } from "@evenkeel/api";
import type { Context } from "../sandboxes/context.ts";
import type { CurrentShape } from "../cpu/current.ts";
import type { CpuShape } from "../cpu/shape.ts";
import { messageOf } from "../errors.ts";
import type { FleetClient } from "./client.ts";
import { digestOfProfile } from "./holdings.ts";
import type { FleetPaths } from "./identity.ts";
import {
  coldBootsBy,
  isSame,
  keepOrders,
  ordersAfter,
  readOrders,
  type Orders,
  type Told,
} from "./orders.ts";
import { dropPlans, hasPlan, keepPlan, readPlanFiles, shapeOfPlan } from "./plan.ts";

/** After a plan could not be fetched: the first wait, and the longest. */
const WAIT_MS = 5000;
const LONGEST_WAIT_MS = 300_000;
const LONGEST_TEXT = 2000;

/** A plan that does not fit this node in its present state. */
interface Refusal {
  readonly digest: string;
  readonly profile: string;
  readonly why: string;
}

export interface Applying {
  readonly context: Context;
  readonly paths: FleetPaths;
  readonly shapes: CurrentShape;
  orders: Orders | undefined;
  /** Of the applied version, for the profile of that digest. */
  shape: CpuShape | undefined;
  shapedFor: string | undefined;
  refusal: Refusal | undefined;
  /** When to request a plan again, and how long to wait after the next failure. */
  fetchAt: number;
  waitMs: number;
  /** Why the version that the server names is not applied, for the server. */
  planError: string | undefined;
}

function shapeHere({ context, paths }: Applying, digest: string): CpuShape {
  const { profile, releases, settings } = context;
  const { allowInsecure } = settings;
  return shapeOfPlan(paths, digest, { profile, versions: releases.versions, allowInsecure });
}

/** The version that shapes cold boots here; null: none does. */
export function appliedNow({ orders, shape }: Applying): PlanReference | null {
  return shape === undefined ? null : (orders?.applied ?? null);
}

/** Makes cold boots follow the current state, and reports once if that is a change. */
function settleBoots(state: Applying): void {
  const { context, shapes, orders, shape, planError } = state;
  const before = shapes.state();
  const after = coldBootsBy(orders, shape, planError);
  shapes.set(after);
  const why = "why" in after ? after.why : "";
  if (before.kind === after.kind && ("why" in before ? before.why : "") === why) return;
  if (after.kind === "refused" || after.kind === "unplanned") {
    const cpu = after.kind === "refused" ? "are refused" : "have the host's own CPU";
    context.report("cold boots", `${cpu}: ${why}`);
    context.events.emit(`boots.${after.kind}`, orders?.pool?.name ?? "", { why });
  }
}

/** A changed node may be in a different class: the applied version must be checked again. */
function shapeAgain(state: Applying): void {
  const { context, orders } = state;
  const applied = orders?.applied ?? null;
  const profile = digestOfProfile(context.profile);
  if (applied === null) state.shape = undefined;
  if (applied === null || (state.shape !== undefined && state.shapedFor === profile)) return;
  try {
    state.shape = shapeHere(state, applied.digest);
    state.shapedFor = profile;
  } catch (error) {
    state.shape = undefined;
    state.planError = messageOf(error).slice(0, LONGEST_TEXT);
  }
}

async function fetchPlan(state: Applying, client: FleetClient): Promise<boolean> {
  const wanted = state.orders?.wanted ?? null;
  if (wanted === null || hasPlan(state.paths, wanted.digest)) return wanted !== null;
  if (Date.now() < state.fetchAt) return false;
  try {
    const text = readPlanFiles(await client.call("GET", "/v1/node/plan"), wanted);
    await keepPlan(state.paths, wanted.digest, text);
    state.waitMs = WAIT_MS;
    return true;
  } catch (error) {
    state.planError = messageOf(error).slice(0, LONGEST_TEXT);
    state.fetchAt = Date.now() + state.waitMs;
    state.waitMs = Math.min(state.waitMs * 2, LONGEST_WAIT_MS);
    return false;
  }
}

/** Applies the named version, which is on this node; if it does not fit, remembers that. */
async function apply(state: Applying, orders: Orders): Promise<void> {
  const { context, paths } = state;
  const { wanted } = orders;
  if (wanted === null) return;
  const { digest, pool, version } = wanted;
  const profile = digestOfProfile(context.profile);
  const known = state.refusal;
  if (known?.digest === digest && known.profile === profile) {
    state.planError = known.why;
    return;
  }
  let shape: ReturnType<typeof shapeHere>;
  try {
    shape = shapeHere(state, digest);
  } catch (error) {
    const why = messageOf(error).slice(0, LONGEST_TEXT);
    state.refusal = { digest, profile, why };
    state.planError = why;
    context.events.emit("plan.refused", pool, { version, digest, why });
    return;
  }
  // A full disk says nothing about the plan: the next heartbeat tries again.
  const next = { ...orders, applied: wanted };
  await keepOrders(paths, next);
  [state.orders, state.shape, state.shapedFor] = [next, shape, profile];
  [state.planError, state.refusal] = [undefined, undefined];
  dropPlans(paths, [wanted]);
  context.events.emit("plan.applied", pool, { version, digest });
}

/** What the server told in a heartbeat's answer. */
export async function follow(state: Applying, client: FleetClient, told: Told): Promise<void> {
  const { context, paths, orders: before } = state;
  const orders = ordersAfter(before, told);
  const isNews =
    before === undefined ||
    !isSame(before.wanted, orders.wanted) ||
    !isSame(before.applied, orders.applied) ||
    JSON.stringify(before.pool) !== JSON.stringify(orders.pool);
  if (isNews) {
    await keepOrders(paths, orders);
    state.orders = orders;
    // Another version can be requested at once, whatever happened to the previous one.
    if (!isSame(before?.wanted ?? null, orders.wanted)) {
      [state.fetchAt, state.waitMs] = [0, WAIT_MS];
      state.planError = undefined;
    }
    const gone = before?.applied ?? null;
    if (gone !== null && orders.applied === null) {
      const { version, digest, pool } = gone;
      context.events.emit("plan.withdrawn", pool, { version, digest });
    }
  }
  shapeAgain(state);
  settleBoots(state);
  const { wanted, applied } = orders;
  if (wanted === null) {
    state.planError = orders.pool === null ? undefined : `pool ${orders.pool.name} has no plan`;
  } else if (!isSame(wanted, applied) || state.shape === undefined) {
    if (await fetchPlan(state, client)) await apply(state, orders);
  } else {
    state.planError = undefined;
  }
  settleBoots(state);
}

/** Starts with the orders from before the restart: the server need not be reachable. */
export function beginApplying(context: Context, paths: FleetPaths, shapes: CurrentShape): Applying {
  const state: Applying = {
    context,
    paths,
    shapes,
    orders: readOrders(paths),
    shape: undefined,
    shapedFor: undefined,
    refusal: undefined,
    fetchAt: 0,
    waitMs: WAIT_MS,
    planError: undefined,
  };
  if (state.orders !== undefined) {
    // The stored orders were written atomically; they are treated as if just received.
    state.orders = ordersAfter(state.orders, state.orders);
  }
  shapeAgain(state);
  settleBoots(state);
  return state;
}
