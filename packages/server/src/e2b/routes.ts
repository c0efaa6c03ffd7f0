/** E2B's calls about sandboxes, v1 and v2: https://e2b.dev/docs/api-reference */
import type { FastifyReply, FastifyRequest } from "fastify";
// oxlint-disable oxc/no-async-endpoint-handlers -- Fastify awaits its handlers
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import type { FastifyInstance } from "fastify";
import { z } from "zod";
import type { Actor } from "../context.ts";
import { teamThatAsks } from "./auth.ts";
import { E2bError, notImplemented } from "./errors.ts";
import { create, end, ensureRunning, extend, pause, type E2b } from "./lifecycle.ts";
import { logsOf } from "./logs.ts";
import { metricsOf } from "./metrics.ts";
import { accessOf, detailOf, listOwn, requireOwn, stateOf, type Own } from "./sandboxes.ts";
import {
  BySandbox,
  Connect,
  ListQuery,
  NewSandbox,
  Pause,
  Refresh,
  requireKnown,
  Resume,
  SetTimeout,
} from "./schemas.ts";

export type E2bApp = ReturnType<typeof typed>;

export function typed(app: FastifyInstance) {
  return app.withTypeProvider<ZodTypeProvider>();
}

/** Seconds, where a caller does not say: v1 and v2 differ. */
const V1_SECONDS = 15;
const V2_SECONDS = 300;

function actorFor(team: string): Actor {
  return { kind: "team", name: team };
}

function accessFor({ tokens, domain }: E2b, own: Own) {
  const { id } = own.row;
  return accessOf(own, domain, { access: tokens.access(id), traffic: tokens.traffic(id) });
}

/** Booting from the disk alone, which E2B's own servers refuse where it is switched off. */
function requireMemory(memory: boolean | null | undefined): void {
  if (memory !== false) return;
  const message = "memory: false (from the disk alone) is not implemented by this server";
  throw new E2bError(400, message, "sandbox_memory_override_disabled");
}

function addCreating(app: E2bApp, e2b: E2b): void {
  for (const [path, seconds] of [
    ["/sandboxes", V1_SECONDS],
    ["/v2/sandboxes", V2_SECONDS],
  ] as const) {
    app.post(path, { schema: { body: NewSandbox } }, async (request, reply) => {
      requireKnown(request.body);
      const team = teamThatAsks(request);
      const own = await create(e2b, { request, reply }, team, request.body, seconds);
      return await reply.code(201).send(accessFor(e2b, own));
    });
  }
}

interface ConnectCall {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly id: string;
  readonly seconds: number;
}

async function connect(e2b: E2b, { request, reply, id, seconds }: ConnectCall) {
  const { db } = e2b.desk.context.store;
  const team = teamThatAsks(request);
  await requireOwn(db, team, id);
  const resumed = await ensureRunning(e2b, actorFor(team), id, Math.max(1, seconds));
  if (!resumed) await extend(e2b, id, seconds, { exact: false });
  const own = await requireOwn(db, team, id);
  return await reply.code(resumed ? 201 : 200).send(accessFor(e2b, own));
}

function addConnecting(app: E2bApp, e2b: E2b): void {
  const { db } = e2b.desk.context.store;
  for (const [path, standard] of [
    ["/sandboxes/:sandboxID/connect", V1_SECONDS],
    ["/v2/sandboxes/:sandboxID/connect", V2_SECONDS],
  ] as const) {
    app.post(path, { schema: { params: BySandbox, body: Connect } }, async (request, reply) => {
      const { timeout, memory } = request.body;
      requireMemory(memory);
      const [id, seconds] = [request.params.sandboxID, timeout ?? standard];
      return await connect(e2b, { request, reply, id, seconds });
    });
  }
  const schema = { params: BySandbox, body: Resume };
  app.post("/sandboxes/:sandboxID/resume", { schema }, async (request, reply) => {
    const { timeout, memory, autoPause } = request.body;
    requireMemory(memory);
    if (autoPause === true) throw notImplemented("autoPause on resume");
    const { sandboxID: id } = request.params;
    const own = await requireOwn(db, teamThatAsks(request), id);
    if (stateOf(own.row) === "running") {
      throw new E2bError(409, `sandbox ${id} is already running`, "wrong_state");
    }
    return await connect(e2b, { request, reply, id, seconds: timeout ?? V1_SECONDS });
  });
}

function addEnding(app: E2bApp, e2b: E2b): void {
  const { db } = e2b.desk.context.store;
  const schema = { params: BySandbox };
  app.post(
    "/sandboxes/:sandboxID/pause",
    { schema: { ...schema, body: Pause } },
    async (request, reply) => {
      if (request.body.memory === false) throw notImplemented("memory: false (disk alone)");
      const { sandboxID: id } = request.params;
      const team = teamThatAsks(request);
      const own = await requireOwn(db, team, id);
      if (stateOf(own.row) === "paused") {
        throw new E2bError(409, `sandbox ${id} is already paused`, "wrong_state");
      }
      await pause(e2b, actorFor(team), id);
      return await reply.code(204).send();
    },
  );
  app.delete("/sandboxes/:sandboxID", { schema }, async (request, reply) => {
    const { sandboxID: id } = request.params;
    const team = teamThatAsks(request);
    await requireOwn(db, team, id);
    await end(e2b, actorFor(team), id);
    return await reply.code(204).send();
  });
}

function addTimes(app: E2bApp, e2b: E2b): void {
  const { db } = e2b.desk.context.store;
  const params = BySandbox;
  app.post(
    "/sandboxes/:sandboxID/timeout",
    { schema: { params, body: SetTimeout } },
    async (request, reply) => {
      const { sandboxID: id } = request.params;
      await requireOwn(db, teamThatAsks(request), id);
      await extend(e2b, id, request.body.timeout, { exact: true });
      return await reply.code(204).send();
    },
  );
  app.post(
    "/sandboxes/:sandboxID/refreshes",
    { schema: { params, body: Refresh } },
    async (request, reply) => {
      const { sandboxID: id } = request.params;
      await requireOwn(db, teamThatAsks(request), id);
      await extend(e2b, id, request.body.duration ?? V1_SECONDS, { exact: false });
      return await reply.code(204).send();
    },
  );
}

function addLooking(app: E2bApp, e2b: E2b): void {
  const { db } = e2b.desk.context.store;
  const { domain } = e2b;
  app.get("/sandboxes/:sandboxID", { schema: { params: BySandbox } }, async (request) =>
    detailOf(await requireOwn(db, teamThatAsks(request), request.params.sandboxID), domain),
  );
  for (const path of ["/sandboxes", "/v2/sandboxes"]) {
    app.get(path, { schema: { querystring: ListQuery } }, async (request, reply) => {
      const page = await listOwn(db, teamThatAsks(request), request.query);
      if (page.next !== undefined) void reply.header("x-next-token", page.next);
      void reply.header("x-total-running", String(page.running));
      return page.sandboxes.map((own) => detailOf(own, domain));
    });
  }
}

const MetricsQuery = z.object({
  start: z.coerce.number().optional(),
  end: z.coerce.number().optional(),
});
const LogsQuery = z.object({
  start: z.coerce.number().optional(),
  cursor: z.coerce.number().optional(),
  limit: z.coerce.number().int().min(1).max(1000).default(1000),
  direction: z.enum(["forward", "backward"]).default("forward"),
});

function addWatching(app: E2bApp, e2b: E2b): void {
  const { desk, gate, tokens } = e2b;
  const { db } = desk.context.store;
  const params = BySandbox;
  app.get(
    "/sandboxes/:sandboxID/metrics",
    { schema: { params, querystring: MetricsQuery } },
    async (request) => {
      const { sandboxID: id } = request.params;
      const { row } = await requireOwn(db, teamThatAsks(request), id);
      if (row.state !== "running") return [];
      return await metricsOf(gate, id, tokens.access(id)).catch(() => []);
    },
  );
  const schema = { params, querystring: LogsQuery };
  const logs = async (request: FastifyRequest, id: string, query: z.infer<typeof LogsQuery>) => {
    await requireOwn(db, teamThatAsks(request), id);
    const { limit, direction } = query;
    const from = query.cursor ?? query.start ?? 0;
    return await logsOf(db, id, { limit, from, newestFirst: direction === "backward" });
  };
  app.get("/v2/sandboxes/:sandboxID/logs", { schema }, async (request) => ({
    logs: await logs(request, request.params.sandboxID, request.query),
  }));
  app.get("/sandboxes/:sandboxID/logs", { schema }, async (request) => {
    const entries = await logs(request, request.params.sandboxID, request.query);
    const lines = entries.map(({ timestamp, ...rest }) => ({
      timestamp,
      line: JSON.stringify({ timestamp, ...rest }),
    }));
    return { logs: lines, logEntries: entries };
  });
}

export function addRoutes(app: E2bApp, e2b: E2b): void {
  app.get("/health", { config: { allow: "anyone" } }, async (_request, reply) =>
    reply.code(204).send(),
  );
  addCreating(app, e2b);
  addConnecting(app, e2b);
  addEnding(app, e2b);
  addTimes(app, e2b);
  addLooking(app, e2b);
  addWatching(app, e2b);
}
