/** The HTTP server: schemas, errors, the OpenAPI document, and the routes. */
import swagger from "@fastify/swagger";
import type { FastifyBaseLogger } from "fastify";
import { jsonSchemaTransform, jsonSchemaTransformObject } from "fastify-type-provider-zod";
import type { Context } from "../sandboxes/context.ts";
import { AgentError } from "../errors.ts";
import { makeApp, parseBodies, type App } from "./app.ts";
import { requireTokens, type Tokens } from "./auth.ts";
import { handleErrors } from "./errors.ts";
import { eventStreams } from "./events.ts";
import { addNodeRoutes } from "./node-routes.ts";
import { addPortRoute } from "./port-route.ts";
import { addSandboxRoutes } from "./sandbox-routes.ts";
import { addSnapshotRoutes } from "./snapshot-routes.ts";
import { endStalls, STALLS, type StallOptions } from "./stalls.ts";

const MOST_CONNECTIONS = 1024;

export interface ServerOptions {
  /** Required of callers, if there is any. */
  readonly tokens: Tokens;
  readonly logger: FastifyBaseLogger | undefined;
  /** For tests that cannot wait. */
  readonly stalls?: Partial<StallOptions>;
}

/** Builds the server; nothing listens yet. */
export async function makeServer(context: Context, options: ServerOptions): Promise<App> {
  const app = makeApp(options.logger);
  const streams = eventStreams(context.events);
  let stopping = false;
  app.addHook("preClose", async () => {
    stopping = true;
    streams.close();
  });
  await app.register(swagger, {
    openapi: {
      openapi: "3.1.0",
      info: {
        title: "evenkeel agent",
        description: "Templates, sandboxes and snapshots of one node.",
        version: "1",
      },
      components: { securitySchemes: { token: { type: "http", scheme: "bearer" } } },
      security: [{ token: [] }],
    },
    transform: jsonSchemaTransform,
    transformObject: jsonSchemaTransformObject,
  });
  app.server.maxConnections = MOST_CONNECTIONS;
  endStalls(app, { ...STALLS, ...options.stalls, stopping: context.stopping });
  handleErrors(app);
  parseBodies(app);
  requireTokens(app, options.tokens);
  app.addHook("onRequest", async (request) => {
    if (stopping && request.method !== "GET") {
      throw new AgentError("STOPPING", "the agent is stopping");
    }
  });
  addNodeRoutes(app, context, { streams, isStopping: () => stopping });
  addSnapshotRoutes(app, context);
  addSandboxRoutes(app, context);
  addPortRoute(app, context);
  await app.ready();
  return app;
}
