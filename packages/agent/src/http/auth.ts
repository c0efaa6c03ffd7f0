/** Who may call: on TCP, whoever has the token; a Unix socket has the permissions of its file. */
import { createHash, timingSafeEqual } from "node:crypto";
import type { FastifyInstance } from "fastify";
import { AgentError } from "../errors.ts";

/** Answered without a token: load balancers ask. */
const OPEN = new Set(["/v1/health"]);

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

export function requireToken(app: FastifyInstance, token: string): void {
  const expected = digest(`Bearer ${token}`);
  app.addHook("onRequest", async (request) => {
    if (OPEN.has(request.routeOptions.url ?? "")) return;
    // Digests have one length, so that the time taken tells nothing of the token's.
    if (timingSafeEqual(digest(request.headers.authorization ?? ""), expected)) return;
    throw new AgentError("UNAUTHORIZED", "the request has no token, or a wrong one");
  });
}
