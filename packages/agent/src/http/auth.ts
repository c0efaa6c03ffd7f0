/**
 * Who may do what. A token has a role: `read` sees everything except guests' memory and ports,
 * `run` does everything except override verdicts, and `override` does that as well. Without tokens,
 * a Unix socket is protected by its file permissions, and whoever can open it can do everything.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { AgentError } from "../errors.ts";

const ROLES = ["read", "run", "override"] as const;
type Role = (typeof ROLES)[number];
export type Tokens = { readonly [R in Role]?: string | undefined };

/** Answered without a token: load balancers ask. */
const OPEN: ReadonlySet<string> = new Set(["/v1/health"]);
/** A GET that reveals a guest's memory, or gives the caller access to the guest. */
const MORE_THAN_LOOKING: ReadonlySet<string> = new Set([
  "/v1/snapshots/:name/export",
  "/v1/sandboxes/:id/ports/:port",
]);

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

/** The role of the sender of this header; digests have equal lengths, and all are compared. */
function roleOf(known: readonly (readonly [Role, Buffer])[], header: string): Role | undefined {
  const sent = digest(header);
  const fitting = known.filter(([, expected]) => timingSafeEqual(sent, expected));
  return fitting.at(-1)?.[0];
}

function requireRole(role: Role | undefined, needed: Role): void {
  if (role === undefined) {
    throw new AgentError("UNAUTHORIZED", "the token is missing or wrong");
  }
  if (ROLES.indexOf(role) >= ROLES.indexOf(needed)) return;
  throw new AgentError(
    "FORBIDDEN",
    `this call needs a token with role ${needed}; this one has role ${role}`,
  );
}

function neededFor({ method, routeOptions }: FastifyRequest): Role {
  return method === "GET" && !MORE_THAN_LOOKING.has(routeOptions.url ?? "") ? "read" : "run";
}

/** Throws BAD_CONFIG if two roles have the same token. */
export function requireTokens(app: FastifyInstance, tokens: Tokens): void {
  const given = ROLES.flatMap((role) => {
    const token = tokens[role];
    return token === undefined ? [] : [[role, token] as const];
  });
  if (given.length === 0) return;
  if (new Set(given.map(([, token]) => token)).size < given.length) {
    throw new AgentError("BAD_CONFIG", "each role needs its own token");
  }
  const known = given.map(([role, token]) => [role, digest(`Bearer ${token}`)] as const);
  const askedBy = (request: FastifyRequest) => roleOf(known, request.headers.authorization ?? "");
  app.addHook("onRequest", async (request) => {
    if (OPEN.has(request.routeOptions.url ?? "")) return;
    requireRole(askedBy(request), neededFor(request));
  });
  app.addHook("preHandler", async (request) => {
    const { override } = (request.body ?? {}) as { readonly override?: unknown };
    if (override !== undefined) requireRole(askedBy(request), "override");
  });
}
