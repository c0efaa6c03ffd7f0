/** The HTTPS server: schemas, callers, errors, the OpenAPI document, and the routes. */
import type { ServerOptions as HttpsOptions } from "node:https";
import swagger from "@fastify/swagger";
import Fastify, { LogController, type FastifyBaseLogger } from "fastify";
import {
  jsonSchemaTransform,
  jsonSchemaTransformObject,
  serializerCompiler,
  validatorCompiler,
  type ZodTypeProvider,
} from "fastify-type-provider-zod";
import type { Context } from "../context.ts";
import { ServerError } from "../errors.ts";
import { openDesk, type Desk } from "../sandboxes/desk.ts";
import { addE2bKeyRoutes } from "../e2b/key-routes.ts";
import { requireCallers } from "./auth.ts";
import { addEventRoutes } from "./event-routes.ts";
import { parseBodies } from "./bodies.ts";
import { handleErrors } from "./errors.ts";
import { addChangeRoutes } from "./change-routes.ts";
import { limitConnections } from "./limits.ts";
import { addMetrics } from "./metrics.ts";
import { addNodeRoutes } from "./node-routes.ts";
import { addOperatorRoutes } from "./operator-routes.ts";
import { addPoolRoutes } from "./pool-routes.ts";
import { addSandboxRoutes } from "./sandbox-routes.ts";
import { addLookRoutes } from "./look-routes.ts";
import { openTunnels, type Tunnels } from "./tunnels.ts";
import { addPages } from "../web/routes.ts";
import { openTrees } from "../web/tree.ts";

/** What operators and heartbeats send is short; routes that take more say so. */
const BODY_LIMIT = 64 * 1024;
/** 10,000 nodes with a connection each, and callers. */
const MOST_CONNECTIONS = 20_000;
/** A request that is not there by then is nobody's: headers, or a body that trickles in. */
const REQUEST_MS = 30_000;

export interface HttpOptions {
  /** PEM: what this server shows, and whose clients it knows. */
  readonly tls: { readonly key: string; readonly certificate: string };
  readonly logger: FastifyBaseLogger | undefined;
}

export type App = ReturnType<typeof makeApp>;

/** Clients that have no certificate are let in: operators have tokens. Routes tell them apart. */
export function tlsOptions(tls: HttpOptions["tls"], ca: string): HttpsOptions {
  return {
    key: tls.key,
    cert: tls.certificate,
    ca,
    requestCert: true,
    rejectUnauthorized: false,
    minVersion: "TLSv1.3",
  };
}

function makeApp({ tls, logger }: HttpOptions, ca: string) {
  const app = Fastify({
    https: tlsOptions(tls, ca),
    bodyLimit: BODY_LIMIT,
    exposeHeadRoutes: false,
    forceCloseConnections: "idle",
    requestTimeout: REQUEST_MS,
    ...(logger === undefined ? { logger: false } : { loggerInstance: logger }),
    // Ten thousand nodes speak every five seconds; what matters is in the audit log.
    logController: new LogController({ disableRequestLogging: true }),
  });
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  return app.withTypeProvider<ZodTypeProvider>();
}

interface Built {
  readonly app: App;
  readonly desk: Desk;
  readonly tunnels: Tunnels;
}

/** Builds the server; nothing listens yet. */
export async function makeServer(context: Context, options: HttpOptions): Promise<Built> {
  const app = makeApp(options, context.authority.certificate);
  let stopping = false;
  app.addHook("preClose", async () => {
    stopping = true;
  });
  await app.register(swagger, {
    openapi: {
      openapi: "3.1.0",
      info: {
        title: "evenkeel fleet",
        description: "Nodes, classes, pools, plans, contracts and placement.",
        version: "1",
      },
      components: { securitySchemes: { token: { type: "http", scheme: "bearer" } } },
      security: [{ token: [] }],
    },
    transform: jsonSchemaTransform,
    transformObject: jsonSchemaTransformObject,
  });
  app.server.maxConnections = MOST_CONNECTIONS;
  limitConnections(app);
  handleErrors(app);
  parseBodies(app);
  app.addHook("onRequest", async (request) => {
    if (stopping && request.method !== "GET") {
      throw new ServerError("STOPPING", "the server is about to stop");
    }
  });
  requireCallers(app, context);
  addMetrics(app, context);
  addNodeRoutes(app, context, () => stopping);
  addOperatorRoutes(app, context);
  addPoolRoutes(app, context);
  const desk = openDesk(context);
  app.addHook("preClose", async () => desk.close());
  addChangeRoutes(app, desk);
  addSandboxRoutes(app, desk);
  addEventRoutes(app, context);
  addE2bKeyRoutes(app, context);
  const trees = openTrees();
  addLookRoutes(app, context, trees);
  await addPages(app, context, trees);
  app.get("/openapi.json", { schema: { hide: true }, config: { allow: "anyone" } }, () =>
    app.swagger(),
  );
  const tunnels = openTunnels(app, context);
  await app.ready();
  return { app, desk, tunnels };
}
