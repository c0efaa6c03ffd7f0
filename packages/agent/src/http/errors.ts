/** Any error as an answer of the API. */
import type { ErrorBody } from "@evenkeel/api";
import { problemsOf } from "@evenkeel/api/problems";
import { CoreError } from "@evenkeel/core";
import { hasZodFastifySchemaValidationErrors } from "fastify-type-provider-zod";
import type { FastifyInstance } from "fastify";
import { AGENT_ERRORS, AgentError, asVmmError, messageOf, type AgentErrorCode } from "../errors.ts";

import { methodsOf } from "./methods.ts";

const FASTIFY_CODES: Readonly<Record<string, AgentErrorCode>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: "BODY_TOO_LARGE",
  FST_ERR_CTP_INVALID_MEDIA_TYPE: "WRONG_MEDIA_TYPE",
};

function known(error: unknown): AgentError {
  if (error instanceof AgentError) return error;
  if (hasZodFastifySchemaValidationErrors(error)) {
    const { message, problems } = problemsOf(error.validation);
    return new AgentError("BAD_REQUEST", message, { problems });
  }
  if (error instanceof CoreError) {
    const { problems } = error;
    return new AgentError("BAD_REQUEST", error.message, { problems });
  }
  const { code = "", statusCode = 500 } = error as { code?: string; statusCode?: number };
  const mapped = FASTIFY_CODES[code];
  if (mapped !== undefined) return new AgentError(mapped, messageOf(error));
  if (statusCode < 500) return new AgentError("BAD_REQUEST", messageOf(error));
  const disk = asVmmError(error, "the operation failed");
  if (disk instanceof AgentError && disk.code === "DISK_FULL") return disk;
  return new AgentError("AGENT_DEFECT", messageOf(error), { cause: error });
}

/** The error as data; a bug is reported to `log`. */
function answerOf(error: unknown): { readonly status: number; readonly body: ErrorBody } {
  const { code, message, problems, verdict, findings } = known(error);
  const { status, hint } = AGENT_ERRORS[code];
  const more = {
    ...(problems === undefined ? {} : { problems: [...problems] }),
    ...(verdict === undefined ? {} : { verdict }),
    ...(findings === undefined ? {} : { findings: [...findings] }),
  };
  return { status, body: { error: { code, message, hint, ...more } } };
}

export function handleErrors(app: FastifyInstance): void {
  app.setErrorHandler((error, request, reply) => {
    const { status, body } = answerOf(error);
    if (status >= 500) request.log.error({ err: error }, body.error.message);
    return reply.code(status).send(body);
  });
  app.setNotFoundHandler((request, reply) => {
    const methods = methodsOf(request.url);
    if (methods.length > 0) {
      void reply.header("allow", methods.join(", "));
      const message = `${request.url.slice(0, 200)} supports ${methods.join(", ")}, not ${request.method}`;
      throw new AgentError("WRONG_METHOD", message);
    }
    throw new AgentError(
      "NO_SUCH_ROUTE",
      `no such call: ${request.method} ${request.url.slice(0, 200)}`,
    );
  });
}
