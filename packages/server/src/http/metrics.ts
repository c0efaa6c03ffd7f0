/**
 * `GET /metrics`: what this server sees of the fleet and what it answered, for Prometheus. Every
 * series is there from the start, so that a first one is an increase, and no label has a value that
 * a caller chose.
 */
import type { Placement } from "@evenkeel/api";
import {
  counter,
  gaugeLines,
  histogram,
  type Counter,
  type Gauge,
  type Histogram,
} from "@evenkeel/api/exposition";
import { FLEET_ROUTES } from "@evenkeel/api/fleet";
import { RULES } from "@evenkeel/core";
import { count, gt, max } from "drizzle-orm";
import type { Context } from "../context.ts";
import { SERVER_ERRORS, ServerError } from "../errors.ts";
import { CLOSED, type Fleet } from "../placement/fleet.ts";
import { audit } from "../store/schema.ts";
import type { App } from "./server.ts";

const BOUNDS = [0.005, 0.025, 0.1, 0.5, 2.5, 10];

/** What is written into the audit log. */
const EVENTS = [
  "e2b-key.created",
  "e2b-key.deleted",
  "join-token.created",
  "leader.changed",
  "node.changed",
  "node.deleted",
  "node.drained",
  "node.held",
  "node.joined",
  "node.released",
  "node.updated",
  "plan.computed",
  "pool.created",
  "pool.deleted",
  "rollout.advanced",
  "rollout.done",
  "rollout.halted",
  "sandbox.created",
  "sandbox.killed",
  "sandbox.paused",
  "sandbox.resumed",
  "token.created",
  "token.deleted",
] as const;
/** Of an error or an event that is not among those. */
const OTHER = "other";
/** As the index says of pairs that were not judged yet. */
const OBSTACLES = [...Object.keys(RULES), "index"];
const FILTERS = [...CLOSED, "pool", "labels", "verdict", "capacity"];

/** Counts by one label, of which all values are known. */
function countBy(name: string, help: string, label: string, values: readonly string[]) {
  const counted: Counter = counter(name, help);
  const known = new Set(values);
  for (const value of known) counted.add({ [label]: value }, 0);
  return {
    lines: () => counted.lines(),
    add: (value: string, amount = 1) =>
      counted.add({ [label]: known.has(value) ? value : OTHER }, amount),
  };
}

function openCounts() {
  return {
    placements: countBy(
      "evenkeel_placements_total",
      "Placements asked for, by what was found.",
      "result",
      ["placed", "none"],
    ),
    filtered: countBy(
      "evenkeel_placements_filtered_total",
      "Placements that found no node, by each filter that took one.",
      "filter",
      FILTERS,
    ),
    obstacles: countBy(
      "evenkeel_placements_obstacles_total",
      "Placements that found no node, by each rule of a verdict against one.",
      "rule",
      OBSTACLES,
    ),
    errors: countBy(
      "evenkeel_http_errors_total",
      "Requests that were answered with an error, by its code.",
      "code",
      [...Object.keys(SERVER_ERRORS), OTHER],
    ),
    events: countBy(
      "evenkeel_fleet_events_total",
      "Entries of the fleet's audit log since this server started, whoever wrote them.",
      "type",
      [...EVENTS, OTHER],
    ),
  };
}

type Counts = ReturnType<typeof openCounts>;

function countPlacement(counts: Counts, { eligible, filters, obstacles }: Placement): void {
  counts.placements.add(eligible > 0 ? "placed" : "none");
  if (eligible > 0) return;
  for (const { filter } of filters) counts.filtered.add(filter);
  for (const rule of new Set(obstacles.map((one) => one.rule))) counts.obstacles.add(rule);
}

/** A stream is open for as long as its reader likes. */
function isStream(type: unknown): boolean {
  return String(type).startsWith("text/event-stream");
}

function watchRequests(app: App, counts: Counts, seconds: Histogram): void {
  app.addHook("onRoute", ({ method, url }) => {
    for (const one of [method].flat()) seconds.start({ method: one, route: url });
  });
  app.addHook("onError", async (_request, _reply, error) => {
    counts.errors.add(error instanceof ServerError ? error.code : OTHER);
  });
  app.addHook("preSerialization", async ({ routeOptions }, _reply, payload) => {
    if (routeOptions.url === FLEET_ROUTES.place.url && "eligible" in (payload as object)) {
      countPlacement(counts, payload as Placement);
    }
    return payload;
  });
  app.addHook("onResponse", async ({ is404, method, routeOptions }, reply) => {
    const { url } = routeOptions;
    if (is404 || url === undefined || isStream(reply.getHeader("content-type"))) return;
    seconds.observe(reply.elapsedTime / 1000, { method, route: url });
  });
}

/** Each node counts for what keeps it from getting work first. */
function stateGauge({ closed }: Fleet): Gauge {
  const states = new Map<string, number>(["ready", ...CLOSED].map((state) => [state, 0]));
  for (const why of closed) {
    const state = CLOSED[why] ?? "ready";
    states.set(state, (states.get(state) ?? 0) + 1);
  }
  return {
    name: "evenkeel_nodes",
    help: "Nodes, by what keeps them from getting work.",
    read: () => [...states].map(([state, nodes]) => [{ state }, nodes] as const),
  };
}

/** Other servers write events, too: what is new in the store is counted when somebody asks. */
function eventReader({ store: { db } }: Context, counts: Counts) {
  let last: number | undefined;
  const newest = async () => (await db.select({ id: max(audit.id) }).from(audit))[0]?.id ?? 0;
  return async () => {
    if (last === undefined) {
      last = await newest();
      return;
    }
    const found = await db
      .select({ action: audit.action, events: count(), id: max(audit.id) })
      .from(audit)
      .where(gt(audit.id, last))
      .groupBy(audit.action);
    for (const { action, events } of found) counts.events.add(action, events);
    last = Math.max(last, ...found.map(({ id }) => id ?? 0));
  };
}

/** Before the routes that are to be timed. */
export function addMetrics(app: App, context: Context): void {
  const counts = openCounts();
  const seconds = histogram(
    "evenkeel_http_request_seconds",
    "How long requests took, streams aside.",
    BOUNDS,
  );
  watchRequests(app, counts, seconds);
  const readEvents = eventReader(context, counts);
  app.addHook("onReady", readEvents);
  // One at a time, so that none is counted twice.
  let reading = Promise.resolve();
  app.get("/metrics", { schema: { hide: true }, config: { allow: "view" } }, async (_, reply) => {
    reading = reading.catch(() => undefined).then(readEvents);
    await reading;
    const gauges: Gauge[] = [
      stateGauge(await context.picture.now()),
      {
        name: "process_resident_memory_bytes",
        help: "The server's own memory.",
        read: () => [[{}, process.memoryUsage.rss()]],
      },
    ];
    const all = [...Object.values(counts), seconds].flatMap((one) => one.lines());
    void reply.type("text/plain; version=0.0.4; charset=utf-8");
    return `${[...gaugeLines(gauges), ...all].join("\n")}\n`;
  });
}
