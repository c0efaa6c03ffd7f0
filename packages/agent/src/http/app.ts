/** What routes are added to: a server with schemas, and how it reads bodies. */
import Fastify, { LogController, type FastifyBaseLogger, type FastifyInstance } from "fastify";
import {
  serializerCompiler,
  validatorCompiler,
  type ZodTypeProvider,
} from "fastify-type-provider-zod";

/** A custom CPU template has 51,200 bytes at most, since Firecracker takes no more. */
const BODY_LIMIT = 256 * 1024;

export type App = ReturnType<typeof makeApp>;

/** A server with schemas, and no routes yet. */
export function makeApp(logger: FastifyBaseLogger | undefined) {
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

/** How bodies are read, by their type. */
export function parseBodies(app: FastifyInstance): void {
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
