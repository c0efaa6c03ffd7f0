/** Errors as E2B's SDKs read them: `{code, error_code?, message}`, the number in the body too. */
import type { FastifyInstance } from "fastify";
import { ServerError } from "../errors.ts";
import { answerOf } from "../http/errors.ts";

/** An error that E2B's API has and the fleet's does not. */
export class E2bError extends Error {
  readonly status: number;
  /** `error_code`, which SDKs and callers tell causes apart by. */
  readonly word: string | undefined;

  constructor(status: number, message: string, word?: string) {
    super(message);
    this.status = status;
    this.word = word;
  }
}

/** What this server does not have is refused by its name, never left out in silence. */
export function notImplemented(what: string): E2bError {
  return new E2bError(501, `${what}: not implemented by this server`, "not_implemented");
}

export function noSandbox(id: string): E2bError {
  return new E2bError(404, `sandbox ${id} was not found`);
}

export interface E2bAnswer {
  readonly status: number;
  readonly body: {
    readonly code: number;
    readonly error_code?: string;
    readonly message: string;
  };
  /** False where asking again cannot help: SDKs that retry leave it. */
  readonly retry: boolean;
}

/**
 * Placement found no node. Where no node's CPU will do, waiting is of no use, and the message says
 * what is in the way; else there is no room now.
 */
function refusedPlacement({ message, problems = [] }: ServerError): E2bAnswer {
  const took = new Set(problems.map(({ path }) => path));
  const waits = problems.some(
    (one) => one.path === "way out" && /^(?:wait|bring)/.test(one.message),
  );
  if (took.has("verdict") && !waits) {
    const body = { code: 503, error_code: "sandbox_no_compatible_node", message };
    return { status: 503, body, retry: false };
  }
  const body = { code: 503, error_code: "sandbox_capacity_unavailable", message };
  return { status: 503, body, retry: true };
}

export function e2bAnswerOf(error: unknown): E2bAnswer {
  if (error instanceof E2bError) {
    const { status, word, message } = error;
    const named = word === undefined ? {} : { error_code: word };
    return { status, body: { code: status, ...named, message }, retry: true };
  }
  if (error instanceof ServerError && error.code === "NO_NODE") return refusedPlacement(error);
  const { status, body } = answerOf(error);
  const { code, message } = body.error;
  const word = code === "NODE_SILENT" ? "sandbox_placement_timeout" : code.toLowerCase();
  return { status, body: { code: status, error_code: word, message }, retry: true };
}

export function answerErrors(app: FastifyInstance): void {
  app.setErrorHandler((error, request, reply) => {
    const { status, body, retry } = e2bAnswerOf(error);
    if (status >= 500 && status !== 501) request.log.error({ err: error }, body.message);
    if (status === 429) void reply.header("retry-after", "5");
    if (!retry) void reply.header("should-retry", "false");
    return reply.code(status).send(body);
  });
  app.setNotFoundHandler((request) => {
    const [path = ""] = request.url.split("?");
    throw notImplemented(`${request.method} ${path.slice(0, 200)}`);
  });
}
