/** Who calls E2B's API: `X-API-Key` is a team's. */
import type { FastifyInstance, FastifyRequest } from "fastify";
import type { Context } from "../context.ts";
import { E2bError } from "./errors.ts";
import { teamOf } from "./keys.ts";

const KEY = /^[\x21-\x7e]{8,256}$/;

export function requireKeys(app: FastifyInstance, { store }: Context): void {
  app.decorateRequest("actor", null);
  app.addHook("onRequest", async (request) => {
    if (request.routeOptions.config.allow === "anyone") return;
    const { "x-api-key": key, authorization } = request.headers;
    if (key === undefined && authorization !== undefined) {
      throw new E2bError(401, "Authorization: this server takes X-API-Key alone");
    }
    const isKey = typeof key === "string" && KEY.test(key);
    const team = isKey ? await teamOf(store.db, key) : undefined;
    if (team === undefined) throw new E2bError(401, "X-API-Key: is missing or wrong");
    request.actor = { kind: "team", name: team };
  });
}

export function teamThatAsks({ actor }: FastifyRequest): string {
  if (actor?.kind === "team") return actor.name;
  throw new E2bError(401, "nobody asks");
}
