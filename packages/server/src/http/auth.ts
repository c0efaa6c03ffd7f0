/**
 * Who asks. A node is who its certificate says, for as long as the store knows it; an operator who
 * the token's digest says. A route names whom it is for, and nobody else gets in: a node's
 * certificate opens no operator's route, and no token a node's.
 */
import type { IncomingMessage } from "node:http";
import { TLSSocket } from "node:tls";
import { eq } from "drizzle-orm";
import type { Caller } from "@evenkeel/api";
import type { FastifyInstance, FastifyRequest } from "fastify";
import type { Actor, Context } from "../context.ts";
import { ServerError } from "../errors.ts";
import { nodes } from "../store/schema.ts";
import { nodeOfCertificate } from "../tls/authority.ts";
import { allows, operatorOf } from "../tokens.ts";
import { costOf, openBuckets } from "./limits.ts";

type NodeActor = Extract<Actor, { kind: "node" }>;

declare module "fastify" {
  interface FastifyContextConfig {
    readonly allow?: Caller;
    /** What the server itself asked a node for counts for nothing. */
    readonly isAskedFor?: boolean;
  }
  interface FastifyRequest {
    actor: Actor | null;
  }
}

/** Throws UNAUTHORIZED. */
export async function nodeThatAsks(
  { store, picture }: Context,
  { socket }: IncomingMessage,
): Promise<NodeActor> {
  if (!(socket instanceof TLSSocket) || !socket.authorized) {
    throw new ServerError("UNAUTHORIZED", "this takes the certificate of a node of this fleet");
  }
  const certificate = socket.getPeerCertificate();
  // A resumed session can be authorized without showing a certificate.
  const raw = certificate.raw as Buffer | undefined;
  const id = raw === undefined ? undefined : nodeOfCertificate(raw);
  if (id === undefined) throw new ServerError("UNAUTHORIZED", "the certificate is for no node");
  // The handshake looked at the dates once; the connection may be older than the certificate.
  if (Date.parse(certificate.valid_to) < Date.now()) {
    throw new ServerError("UNAUTHORIZED", `the certificate of ${id} has expired`);
  }
  const known = picture.node(id);
  if (known !== undefined) return { kind: "node", id, name: known.row.name };
  const [row] = await store.db.select({ name: nodes.name }).from(nodes).where(eq(nodes.id, id));
  if (row === undefined) throw new ServerError("UNAUTHORIZED", `there is no node ${id} any more`);
  return { kind: "node", id, name: row.name };
}

async function operatorThatAsks({ store }: Context, request: FastifyRequest): Promise<Actor> {
  const [, token] = /^Bearer (\S{1,256})$/.exec(request.headers.authorization ?? "") ?? [];
  const actor = token === undefined ? undefined : await operatorOf(store.db, token);
  if (actor !== undefined) return actor;
  throw new ServerError("UNAUTHORIZED", "the request has no operator's token, or a wrong one");
}

export function requireCallers(app: FastifyInstance, context: Context): void {
  app.decorateRequest("actor", null);
  const buckets = openBuckets();
  app.addHook("onRequest", async (request) => {
    if (request.is404) return;
    // A route that says nothing is for those who may do everything.
    const { allow = "override" } = request.routeOptions.config;
    if (allow === "anyone") return;
    if (allow === "node") {
      const node = await nodeThatAsks(context, request.raw);
      buckets.take(node.id, costOf(request));
      request.actor = node;
      return;
    }
    const actor = await operatorThatAsks(context, request);
    request.actor = actor;
    if (actor.kind === "token" && allows(actor.role, allow)) return;
    const role = actor.kind === "token" ? actor.role : actor.kind;
    throw new ServerError("FORBIDDEN", `this takes a token of role ${allow}; this is ${role}'s`);
  });
}

/** Of a route that is not for anyone. */
export function actorOf({ actor }: FastifyRequest): Actor {
  if (actor === null) throw new ServerError("UNAUTHORIZED", "nobody asks");
  return actor;
}

export function nodeOf(request: FastifyRequest): NodeActor {
  const actor = actorOf(request);
  if (actor.kind === "node") return actor;
  throw new ServerError("UNAUTHORIZED", "no node asks");
}
