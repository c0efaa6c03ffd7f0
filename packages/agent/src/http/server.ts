/** The HTTP server: schemas, errors, the OpenAPI document, and the routes. */
import swagger from "@fastify/swagger";
import Fastify, { LogController, type FastifyBaseLogger, type FastifyInstance } from "fastify";
import {
  jsonSchemaTransform,
  jsonSchemaTransformObject,
  serializerCompiler,
  validatorCompiler,
  type ZodTypeProvider,
} from "fastify-type-provider-zod";
import type { Context } from "../context.ts";
import { AgentError } from "../errors.ts";
import { requireTokens, type Tokens } from "./auth.ts";
import { handleErrors } from "./errors.ts";
import { eventStreams } from "./events.ts";
import { addNodeRoutes } from "./node-routes.ts";
import { addPortRoute } from "./port-route.ts";
import { addSandboxRoutes } from "./sandbox-routes.ts";
import { addSnapshotRoutes } from "./snapshot-routes.ts";
import { endStalls, STALLS, type StallOptions } from "./stalls.ts";

/** A custom CPU template has 51,200 bytes at most, since Firecracker takes no more. */
const BODY_LIMIT = 256 * 1024;
const MOST_CONNECTIONS = 1024;

export interface ServerOptions {
  /** Required of callers, if there is any. */
  readonly tokens: Tokens;
  readonly logger: FastifyBaseLogger | undefined;
  /** For tests that cannot wait. */
  readonly stalls?: Partial<StallOptions>;
}

export type App = ReturnType<typeof makeApp>;

function makeApp({ logger }: ServerOptions) {
  const options = {
    bodyLimit: BODY_LIMIT,
    exposeHeadRoutes: false,
    forceCloseConnections: "idle",
    requestTimeout: 0,
  } as const;
  const app = Fastify({
    ...options,
    ...(logger === undefined ? { logger: false } : { loggerInstance: logger }),
    // An agent is asked often; what matters is in its events.
    logController: new LogController({ disableRequestLogging: true }),
  });
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  return app.withTypeProvider<ZodTypeProvider>();
}

function parseBodies(app: FastifyInstance): void {
  app.removeContentTypeParser(["text/plain", "application/json"]);
  const parseJson = app.getDefaultJsonParser("error", "error");
  app.addContentTypeParser("application/json", { parseAs: "string" }, (request, body, done) => {
    // Clients name the type of what they send also where they send nothing.
    if (body === "") done(null, {});
    else void parseJson(request, String(body), done);
  });
  // An import is read as it comes, however large.
  app.addContentTypeParser("application/x-tar", (_request, payload, done) => done(null, payload));
  // A call without a body is a call with nothing in it.
  app.addHook("preValidation", async (request) => {
    request.body ??= {};
  });
}

/** Builds the server; nothing listens yet. */
export async function makeServer(context: Context, options: ServerOptions): Promise<App> {
  const app = makeApp(options);
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
      throw new AgentError("STOPPING", "the agent is about to stop");
    }
  });
  addNodeRoutes(app, context, { streams, isStopping: () => stopping });
  addSnapshotRoutes(app, context);
  addSandboxRoutes(app, context);
  addPortRoute(app, context);
  await app.ready();
  return app;
}
