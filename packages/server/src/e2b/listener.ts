/** E2B's API and data plane on one port of their own, under one wildcard certificate. */
import { createServer, type Server } from "node:https";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import Fastify, { LogController, type FastifyBaseLogger } from "fastify";
import { serializerCompiler, validatorCompiler } from "fastify-type-provider-zod";
import type { Context } from "../context.ts";
import { messageOf, ServerError } from "../errors.ts";
import { parseBodies } from "../http/bodies.ts";
import type { Tunnels } from "../http/tunnels.ts";
import type { Desk } from "../sandboxes/desk.ts";
import { requireKeys } from "./auth.ts";
import { answerErrors } from "./errors.ts";
import { openGate } from "./gate.ts";
import { openTokens } from "./keys.ts";
import type { E2b } from "./lifecycle.ts";
import { proxy } from "./proxy.ts";
import { addRoutes, typed } from "./routes.ts";
import { targetOf } from "./target.ts";
import { addTemplateRoutes } from "./templates.ts";
import { proxyUpgrade } from "./upgrade.ts";

export interface E2bOptions {
  /** `*.<domain>` leads to this server. */
  readonly domain: string;
  readonly listen: { readonly host: string; readonly port: number };
  /** More names and addresses for the certificate. */
  readonly names: readonly string[];
  readonly logger: FastifyBaseLogger | undefined;
}

export interface E2bServer {
  /** Where it listens: `https://host:port`. */
  readonly url: string;
  close(): Promise<void>;
}

const BODY_LIMIT = 1024 * 1024;
/** Certificates of servers are for 30 days. */
const RENEW_MS = 24 * 3_600_000;
const MOST_CONNECTIONS = 20_000;

async function certificateFor({ authority }: Context, { domain, names }: E2bOptions) {
  const all = [domain, `*.${domain}`, ...names];
  const { key, certificate } = await authority.issueForServer([...new Set(all)]);
  return { key, cert: certificate, minVersion: "TLSv1.2" } as const;
}

/** The API's routes, for requests that this server hands to it. */
async function makeApi(e2b: E2b, logger: FastifyBaseLogger | undefined) {
  const app = Fastify({
    bodyLimit: BODY_LIMIT,
    exposeHeadRoutes: false,
    ...(logger === undefined ? { logger: false } : { loggerInstance: logger }),
    logController: new LogController({ disableRequestLogging: true }),
  });
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  answerErrors(app);
  parseBodies(app);
  requireKeys(app, e2b.desk.context);
  const own = typed(app);
  addRoutes(own, e2b);
  addTemplateRoutes(own, e2b);
  await app.ready();
  return app;
}

type Api = Awaited<ReturnType<typeof makeApi>>;

function answerUnknown(response: ServerResponse): void {
  const message = "the host is neither the API nor a sandbox of this domain";
  const body = JSON.stringify({ code: 404, message });
  response.writeHead(404, { "content-type": "application/json" }).end(body);
}

function serve(server: Server, api: Api, e2b: E2b): void {
  server.on("request", (request: IncomingMessage, response: ServerResponse) => {
    request.on("error", () => undefined);
    response.on("error", () => undefined);
    const target = targetOf(request.headers, e2b.domain);
    if (target === "api") api.routing(request, response);
    else if (target === "unknown") answerUnknown(response);
    else void proxy(e2b, request, response, target);
  });
  server.on("upgrade", (request, socket, head) => {
    socket.on("error", () => socket.destroy());
    const target = targetOf(request.headers, e2b.domain);
    if (typeof target === "string") {
      return socket.end("HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n");
    }
    return void proxyUpgrade(e2b, request, { socket, head }, target);
  });
}

function listenOn(server: Server, { host, port }: E2bOptions["listen"]): Promise<AddressInfo> {
  return new Promise((settle, fail) => {
    server.once("error", (cause) => {
      fail(new ServerError("BAD_CONFIG", `e2bListen: ${messageOf(cause)}`, { cause }));
    });
    server.listen(port, host, () => settle(server.address() as AddressInfo));
  });
}

/** Listens. Throws BAD_CONFIG. */
export async function openE2b(
  context: Context,
  desk: Desk,
  tunnels: Tunnels,
  options: E2bOptions,
): Promise<E2bServer> {
  const { domain, logger } = options;
  const gate = openGate(context, tunnels);
  const tokens = await openTokens(context.store.db);
  const e2b: E2b = { desk, gate, domain, tokens, waking: new Map() };
  const api = await makeApi(e2b, logger);
  // Callers that are gone without a word are found out, and their guests' connections let go.
  const alive = { keepAlive: true, keepAliveInitialDelay: 60_000 };
  const server = createServer({ ...(await certificateFor(context, options)), ...alive });
  server.maxConnections = MOST_CONNECTIONS;
  // Streams and uploads take as long as they take; heads do not.
  server.requestTimeout = 0;
  serve(server, api, e2b);
  const renew = setInterval(() => {
    certificateFor(context, options).then(
      (tls) => server.setSecureContext(tls),
      (error: unknown) => context.report("the certificate of E2B's API", messageOf(error)),
    );
  }, RENEW_MS).unref();
  const { address, port, family } = await listenOn(server, options.listen);
  return {
    url: `https://${family === "IPv6" ? `[${address}]` : address}:${port}`,
    close: async () => {
      clearInterval(renew);
      const closed = new Promise<void>((settle) => server.close(() => settle()));
      server.closeIdleConnections();
      gate.close();
      await api.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
