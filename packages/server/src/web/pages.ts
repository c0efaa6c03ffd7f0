/** What each page shows, read from where the API reads it. */
import type { FleetPage } from "@evenkeel/web";
import { listAudit } from "../audit.ts";
import type { Context } from "../context.ts";
import { listSnapshots } from "../contracts/view.ts";
import { ServerError } from "../errors.ts";
import { getNode, historyOf, listClasses, listNodes } from "../nodes/view.ts";
import { answerPlacement } from "../placement/answer.ts";
import { getPlan, listPlans } from "../pools/plans.ts";
import { getPool, listPools } from "../pools/pools.ts";
import { compatibilityOf } from "./compatibility.ts";

const EVENTS = 20;

async function overview(context: Context): Promise<FleetPage> {
  const { db } = context.store;
  const { classes, contracts } = await listClasses(db);
  return {
    page: "overview",
    nodes: await listNodes(context, db),
    classes,
    contracts,
    snapshots: await listSnapshots(db),
    pools: await listPools(db),
    audit: await listAudit(context, EVENTS, undefined),
  };
}

async function pool({ store: { db } }: Context, name: string): Promise<FleetPage> {
  const found = await getPool(db, name);
  const plans = await listPlans(db, name);
  const newest = plans.reduce((last, { version }) => Math.max(last, version), 0);
  const shown = found.running ?? (newest === 0 ? undefined : newest);
  const plan = shown === undefined ? undefined : (await getPlan(db, name, shown)).plan;
  return { page: "pool", pool: found, plans, plan, shown };
}

async function snapshot(context: Context, digest: string): Promise<FleetPage> {
  const held = await listSnapshots(context.store.db);
  const found = held.find((one) => one.digest === digest);
  if (found === undefined) {
    throw new ServerError("NO_SUCH_SNAPSHOT", `no node holds a snapshot ${digest.slice(0, 64)}`);
  }
  const placement = await answerPlacement(context, { snapshot: digest, labels: {}, limit: 20 });
  return { page: "snapshot", snapshot: found, placement };
}

async function node(context: Context, name: string): Promise<FleetPage> {
  const { db } = context.store;
  const [found, history] = [await getNode(context, db, name), await historyOf(context, db, name)];
  return { page: "node", node: found, history };
}

/** `name` is the path's, `search` what a list is filtered by. */
type Read = (context: Context, name: string, search: string) => Promise<FleetPage>;

/** By path; `:name` is given to those that have one. */
export const PAGES: Readonly<Record<string, Read>> = {
  "/": overview,
  "/compatibility": async ({ store }) => ({
    page: "compatibility",
    ...(await compatibilityOf(store.db)),
  }),
  "/pools": async ({ store }) => ({ page: "pools", pools: await listPools(store.db) }),
  "/pools/:name": pool,
  "/nodes": async (context, _, search) => ({
    page: "nodes",
    nodes: await listNodes(context, context.store.db),
    search,
  }),
  "/nodes/:name": node,
  "/snapshots": async ({ store }, _, search) => ({
    page: "snapshots",
    snapshots: await listSnapshots(store.db),
    search,
  }),
  "/snapshots/:name": snapshot,
};
