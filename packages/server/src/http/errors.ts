/** Any error as an answer of the API. */
import type { ErrorBody } from "@evenkeel/api";
import { problemsOf } from "@evenkeel/api/problems";
import { CoreError } from "@evenkeel/core";
import type { FastifyInstance } from "fastify";
import { hasZodFastifySchemaValidationErrors } from "fastify-type-provider-zod";
import { askLater } from "./limits.ts";
import { messageOf, SERVER_ERRORS, ServerError, type ServerErrorCode } from "../errors.ts";

const FASTIFY_CODES: Readonly<Record<string, ServerErrorCode>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: "BODY_TOO_LARGE",
  FST_ERR_CTP_INVALID_MEDIA_TYPE: "WRONG_MEDIA_TYPE",
};

/** The connection, not the statement: class 08, 53, 57 of PostgreSQL's codes, and Node's own. */
const DOWN_CODE = /^(?:08|53|57)...$|^E(?:CONN\w+|PIPE|HOSTUNREACH|NOTFOUND|AI_AGAIN)$/;
const DOWN_TEXT =
  /Connection terminated|connection timeout|timeout exceeded when trying to connect/;

function isStoreDown(error: unknown): boolean {
  for (let at = error; at instanceof Error; at = at.cause) {
    const { code = "" } = at as { code?: unknown };
    if (typeof code === "string" && DOWN_CODE.test(code)) return true;
    if (DOWN_TEXT.test(at.message)) return true;
  }
  return false;
}

/** Class 22 of PostgreSQL's codes: a value that no column takes. Schemas are to say so before. */
function isUnfit(error: unknown): boolean {
  for (let at = error; at instanceof Error; at = at.cause) {
    const { code } = at as { code?: unknown };
    if (typeof code === "string" && /^22...$/.test(code)) return true;
  }
  return false;
}

function known(error: unknown): ServerError {
  if (error instanceof ServerError) return error;
  if (hasZodFastifySchemaValidationErrors(error)) {
    const { message, problems } = problemsOf(error.validation);
    return new ServerError("BAD_REQUEST", message, { problems });
  }
  if (error instanceof CoreError) {
    const { problems } = error;
    return new ServerError("BAD_REQUEST", error.message, { problems });
  }
  if (isStoreDown(error)) {
    return new ServerError("STORE_DOWN", "the store does not answer", { cause: error });
  }
  if (isUnfit(error)) {
    return new ServerError("BAD_REQUEST", "the store cannot keep a value of the request");
  }
  const { code = "", statusCode = 500 } = error as { code?: string; statusCode?: number };
  const mapped = FASTIFY_CODES[code];
  if (mapped !== undefined) return new ServerError(mapped, messageOf(error));
  if (statusCode < 500) return new ServerError("BAD_REQUEST", messageOf(error));
  // A statement with its parameters is for the log, not for callers.
  return new ServerError("SERVER_DEFECT", "the request could not be answered", { cause: error });
}

/** The error as data. */
export function answerOf(error: unknown): { readonly status: number; readonly body: ErrorBody } {
  const { code, message, problems } = known(error);
  const { status, hint } = SERVER_ERRORS[code];
  const more = problems === undefined ? {} : { problems: [...problems] };
  return { status, body: { error: { code, message, hint, ...more } } };
}

export function handleErrors(app: FastifyInstance): void {
  app.setErrorHandler((error, request, reply) => {
    const { status, body } = answerOf(error);
    if (status === 429) askLater(reply);
    if (status >= 500) request.log.error({ err: error }, body.error.message);
    return reply.code(status).send(body);
  });
  app.setNotFoundHandler((request) => {
    const asked = `${request.method} ${request.url.slice(0, 200)}`;
    throw new ServerError("NO_SUCH_ROUTE", `there is no ${asked}`);
  });
}
