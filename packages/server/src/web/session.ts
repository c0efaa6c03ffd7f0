/**
 * Who looks at pages: whoever has an operator's token in a cookie. The cookie opens pages, which
 * only read, and no route of the API, which takes the token in a header alone.
 */
import type { FastifyReply, FastifyRequest } from "fastify";
import type { Context } from "../context.ts";
import { operatorOf } from "../tokens.ts";

/** The prefix has browsers refuse it from anyone but this host, and without TLS. */
const COOKIE = "__Host-evenkeel";
const TOKEN = /^[\w.-]{1,256}$/;
const ATTRIBUTES = "Path=/; Secure; HttpOnly; SameSite=Lax";

function tokenIn({ headers }: FastifyRequest): string | undefined {
  const pairs = (headers.cookie ?? "").split(";").map((pair) => pair.trim().split("="));
  const token = pairs.find(([name]) => name === COOKIE)?.[1];
  return token !== undefined && TOKEN.test(token) ? token : undefined;
}

async function isOperators({ store }: Context, token: string): Promise<boolean> {
  return (await operatorOf(store.db, token)) !== undefined;
}

/** Asked anew for each page: a token that was revoked opens nothing. */
export async function isSignedIn(context: Context, request: FastifyRequest): Promise<boolean> {
  const token = tokenIn(request);
  return token !== undefined && (await isOperators(context, token));
}

/** Keeps a token until the browser is closed; returns whether it is an operator's. */
export async function signIn(context: Context, reply: FastifyReply, token: string) {
  if (!TOKEN.test(token) || !(await isOperators(context, token))) return false;
  void reply.header("set-cookie", `${COOKIE}=${token}; ${ATTRIBUTES}`);
  return true;
}

export function signOut(reply: FastifyReply): void {
  void reply.header("set-cookie", `${COOKIE}=; ${ATTRIBUTES}; Max-Age=0`);
}

/** A path of this server, and nothing that leads elsewhere. */
export function localPath(text: string | null): string {
  const path = /^\/(?![/\\])[\w\-./%]*(?:\?[\w\-.%=&+]*)?$/;
  return text !== null && path.test(text) ? text : "/";
}

/** Browsers say where a form came from; one of another site signs nobody in or out. */
export function isForeign({ headers }: FastifyRequest): boolean {
  const site = headers["sec-fetch-site"];
  return site !== undefined && site !== "same-origin" && site !== "none";
}
