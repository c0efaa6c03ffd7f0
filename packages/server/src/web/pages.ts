/** What each page shows, read from where the API reads it. */
import type { SimulationRequest } from "@evenkeel/api";
import { CoreError } from "@evenkeel/core";
import type { ChangeForm, FleetPage } from "@evenkeel/web";
import { listAudit } from "../audit.ts";
import { simulate } from "../change/simulate.ts";
import type { Context } from "../context.ts";
import { messageOf, ServerError } from "../errors.ts";
import { getNode, historyOf } from "../nodes/view.ts";
import { answerPlacement } from "../placement/answer.ts";
import { getPlan, listPlans } from "../pools/plans.ts";
import { getPool, listPools } from "../pools/pools.ts";
import { getSandbox } from "../sandboxes/view.ts";
import { compatibilityOf } from "./compatibility.ts";
import { driftsOf } from "./drifts.ts";
import {
  eventsOf,
  nodesPage,
  sandboxesPage,
  snapshotRow,
  snapshotsPage,
  type Asked,
} from "./lists.ts";
import { classSizes, countContracts, overviewOf } from "./overview.ts";
import { rolloutOf } from "./rollout.ts";
import { snapshotDetail } from "./snapshot.ts";
import type { openTrees } from "./tree.ts";

const EVENTS = 20;

export interface Desk {
  readonly context: Context;
  readonly trees: ReturnType<typeof openTrees>;
}

/** What a page is asked for: `name` is the path's, the rest what follows the question mark. */
export interface Question {
  readonly name: string;
  /** A parameter, however long it came cut to what a page has room for; empty where left out. */
  readonly query: (parameter: string) => string;
}

export interface Deferred {
  /** What can be shown at once. */
  readonly first: FleetPage;
  /** The whole page; never fails. */
  readonly whole: () => Promise<FleetPage>;
}

type Read = (desk: Desk, question: Question) => Promise<FleetPage | Deferred>;

function numberIn(text: string): number | undefined {
  return /^[1-9]\d{0,5}$/.test(text) ? Number(text) : undefined;
}

function askedIn({ query }: Question): Asked {
  return { search: query("q"), page: numberIn(query("page")) ?? 1 };
}

const overview: Read = async ({ context }) => ({
  page: "overview",
  overview: await overviewOf(context),
  pools: await listPools(context.store.db),
  audit: await listAudit(context, EVENTS, undefined),
});

const pool: Read = async ({ context: { store }, trees }, { name, query }) => {
  const { db } = store;
  const found = await getPool(db, name);
  const plans = await listPlans(db, name);
  const newest = plans.reduce((last, { version }) => Math.max(last, version), 0);
  const shown = found.running ?? (newest === 0 ? undefined : newest);
  const plan = shown === undefined ? undefined : (await getPlan(db, name, shown)).plan;
  const tree = await trees(db, name);
  const least = tree.classes.length - tree.tree.length;
  const cut = Math.min(tree.classes.length, Math.max(least, numberIn(query("pools")) ?? 1));
  return { page: "pool", pool: found, plans, plan, shown, tree, cut };
};

const rollout: Read = async ({ context }, { name }) => ({
  page: "rollout",
  rollout: await rolloutOf(context, name),
  plans: await listPlans(context.store.db, name),
  events: await eventsOf(context.store.db, name),
});

const snapshot: Read = async ({ context }, { name: digest }) => {
  const detail = await snapshotDetail(context, digest);
  const found = await snapshotRow(context, digest);
  if (found === undefined) {
    throw new ServerError("NO_SUCH_SNAPSHOT", `no node holds a snapshot ${digest.slice(0, 64)}`);
  }
  const placement = await answerPlacement(context, { snapshot: digest, labels: {}, limit: 20 });
  return { page: "snapshot", snapshot: found, placement, detail };
};

const node: Read = async ({ context }, { name }) => {
  const { db } = context.store;
  const [found, history] = [await getNode(context, db, name), await historyOf(context, db, name)];
  return { page: "node", node: found, history };
};

const nodes: Read = async ({ context }, question) => {
  const asked = askedIn(question);
  const listed = await nodesPage(context, asked);
  const classes = await classSizes(context);
  return { page: "nodes", nodes: listed, classes, search: asked.search };
};

const snapshots: Read = async ({ context }, question) => {
  const asked = askedIn(question);
  const listed = await snapshotsPage(context, asked);
  return { page: "snapshots", snapshots: listed, search: asked.search };
};

const sandboxes: Read = async ({ context }, question) => {
  const asked = askedIn(question);
  const { states, ...listed } = await sandboxesPage(context, asked);
  return { page: "sandboxes", sandboxes: listed, states, search: asked.search };
};

const sandbox: Read = async ({ context: { store } }, { name }) => ({
  page: "sandbox",
  sandbox: await getSandbox(store.db, name),
  events: await eventsOf(store.db, name),
});

function listIn(text: string): string[] {
  return text.split(/[\s,]+/).filter(Boolean);
}

/** Undefined where nothing was chosen. */
function requestOf(form: ChangeForm): SimulationRequest | undefined {
  const [remove, firecracker, models] = [form.remove, form.firecracker, form.with].map(listIn);
  if (Object.values(form).every((text) => text.trim() === "")) return undefined;
  return {
    replace: [],
    add: [],
    remove: remove ?? [],
    with: models ?? [],
    ...(firecracker === undefined || firecracker.length === 0 ? {} : { firecracker }),
    ...(form.pool === "" ? {} : { pool: form.pool }),
  };
}

/** What the caller can mend is said beside the form, and what nobody foresaw is reported. */
async function simulated(context: Context, request: SimulationRequest) {
  try {
    return { simulation: await simulate(context, request), problem: undefined };
  } catch (error) {
    const isTheirs =
      error instanceof CoreError ||
      (error instanceof ServerError && error.code !== "SERVER_DEFECT");
    if (isTheirs) return { simulation: undefined, problem: error.message };
    context.report("simulating a change", messageOf(error));
    return { simulation: undefined, problem: "The change could not be simulated." };
  }
}

const change: Read = async ({ context }, { query }) => {
  const form = {
    remove: query("remove"),
    firecracker: query("firecracker"),
    with: query("with"),
    pool: query("pool"),
  };
  const classes = await classSizes(context);
  const pools = (await listPools(context.store.db)).map(({ name }) => name);
  const page = { page: "change", form, classes, pools } as const;
  const first = { ...page, simulation: undefined, problem: undefined };
  const request = requestOf(form);
  if (request === undefined) return first;
  return { first, whole: async () => ({ ...page, ...(await simulated(context, request)) }) };
};

const drift: Read = async ({ context }) => {
  const contracts = await countContracts(context.store.db);
  return { page: "drift", drifts: await driftsOf(context), contracts };
};

/** By path. */
export const PAGES: Readonly<Record<string, Read>> = {
  "/": overview,
  "/compatibility": async ({ context }, { query }) => ({
    page: "compatibility",
    cell: query("cell"),
    compatibility: await compatibilityOf(context),
  }),
  "/pools": async ({ context: { store } }) => ({ page: "pools", pools: await listPools(store.db) }),
  "/pools/:name": pool,
  "/pools/:name/rollout": rollout,
  "/nodes": nodes,
  "/nodes/:name": node,
  "/snapshots": snapshots,
  "/snapshots/:name": snapshot,
  "/sandboxes": sandboxes,
  "/sandboxes/:name": sandbox,
  "/change": change,
  "/drift": drift,
};
