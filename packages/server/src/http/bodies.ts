/** Bodies of requests: JSON, of texts that a database can keep. */
import type { FastifyInstance } from "fastify";
import { ServerError } from "../errors.ts";

/** NUL and halves of surrogate pairs come as escapes alone; PostgreSQL keeps neither. */
const SUSPECT = /\\u(?:0000|d[89a-f])/i;

function isKept(text: string): boolean {
  return !/[\0\p{Cs}]/u.test(text);
}

/** The place of a text that cannot be kept. */
function unkept(value: unknown, place: string): string | undefined {
  if (typeof value === "string") return isKept(value) ? undefined : place;
  if (typeof value !== "object" || value === null) return undefined;
  for (const [key, member] of Object.entries(value)) {
    const own = isKept(key) ? unkept(member, `${place}.${key}`) : place;
    if (own !== undefined) return own;
  }
  return undefined;
}

export function parseBodies(app: FastifyInstance): void {
  app.removeContentTypeParser(["text/plain", "application/json"]);
  const parseJson = app.getDefaultJsonParser("error", "error");
  app.addContentTypeParser("application/json", { parseAs: "string" }, (request, body, done) => {
    const text = String(body);
    // Clients name the type of what they send also where they send nothing.
    if (text === "") return done(null, {});
    void parseJson(request, text, (error, json) => {
      const place = error === null && SUSPECT.test(text) ? unkept(json, "body") : undefined;
      if (place === undefined) return done(error, json);
      const message = `${place}: has NUL or half a surrogate pair`;
      done(new ServerError("BAD_REQUEST", message), undefined);
    });
  });
  app.addHook("preValidation", async (request) => {
    request.body ??= {};
  });
}
