/** Calls about the node: health, profile, metrics, events, the OpenAPI document. */
import { AGENT_ROUTES } from "@evenkeel/api";
import type { Gauge } from "@evenkeel/api/exposition";
import { formatProfile } from "@evenkeel/core";
import type { Context } from "../sandboxes/context.ts";
import { freeBytes } from "../store/room.ts";
import type { Streams } from "./events.ts";
import type { App } from "./app.ts";

function gaugesOf({ sandboxes, snapshots }: Context, free: number): Gauge[] {
  const states = () => {
    const counts = new Map<string, number>();
    for (const { record } of sandboxes.list()) {
      counts.set(record.state, (counts.get(record.state) ?? 0) + 1);
    }
    return [...counts].map(([state, count]) => [{ state }, count] as const);
  };
  const gauge = (name: string, help: string, read: Gauge["read"]) => ({ name, help, read });
  return [
    gauge("evenkeel_sandboxes", "Sandboxes by state.", states),
    gauge("evenkeel_snapshots", "Snapshots, templates included.", () => [
      [{}, snapshots.list().length],
    ]),
    gauge("evenkeel_data_free_bytes", "Free space in the data directory.", () => [[{}, free]]),
    gauge("process_resident_memory_bytes", "The agent's own memory.", () => [
      [{}, process.memoryUsage.rss()],
    ]),
  ];
}

function coldBootsOf({ coldBoots }: Context) {
  const state = coldBoots();
  return { coldBoots: state.kind, coldBootsWhy: "why" in state ? state.why : null };
}

interface Life {
  readonly streams: Streams;
  readonly isStopping: () => boolean;
}

export function addNodeRoutes(app: App, context: Context, { streams, isStopping }: Life): void {
  const { driver, releases, sandboxes, metrics, paths } = context;

  app.route({
    ...AGENT_ROUTES.health,
    handler: async () => ({
      ...coldBootsOf(context),
      status: isStopping() ? ("stopping" as const) : ("ok" as const),
      node: context.profile.name,
      vmm: driver.vmm,
      version: driver.version,
      releases: [...releases.versions],
      cpu: context.cpu.name ?? null,
      sandboxes: sandboxes.list().length,
      unreadable: [...sandboxes.unreadable],
      freeBytes: await freeBytes(paths.data),
    }),
  });
  app.route({
    ...AGENT_ROUTES.profile,
    handler: () => JSON.parse(formatProfile(context.profile)) as Record<string, unknown>,
  });
  app.route({
    ...AGENT_ROUTES.metrics,
    handler: async (_request, reply) => {
      const page = metrics.page(gaugesOf(context, await freeBytes(paths.data)));
      return reply.type("text/plain; version=0.0.4; charset=utf-8").serializer(String).send(page);
    },
  });
  app.route({
    ...AGENT_ROUTES.events,
    handler: (request, reply) => {
      streams.requireRoom();
      reply.hijack();
      const last = request.headers["last-event-id"];
      streams.open(reply.raw, Array.isArray(last) ? last[0] : last);
    },
  });
  app.get("/openapi.json", { schema: { hide: true } }, () => app.swagger());
}
