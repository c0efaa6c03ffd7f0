/**
 * What `POST /init` said: who may call, and what processes begin with. The first token stays: it
 * is in the guest's memory, and goes with its snapshots.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { CallError } from "./errors.ts";
import { textIn, variablesIn } from "./fields.ts";
import type { Json } from "./wire.ts";

export interface Session {
  readonly token: string | undefined;
  readonly variables: Readonly<Record<string, string>>;
  readonly defaultUser: string | undefined;
  readonly workdir: string | undefined;
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

function isSame(a: string, b: string): boolean {
  return timingSafeEqual(digest(a), digest(b));
}

/** Throws unauthenticated where there is a token and the caller has another. */
export function requireToken({ token }: Session, sent: unknown): void {
  if (token === undefined) return;
  if (typeof sent === "string" && isSame(token, sent)) return;
  throw new CallError("unauthenticated", "X-Access-Token: is missing or wrong");
}

/** Signed URLs: `v1_` and the digest of path, operation, user, token and, if any, the time. */
export function requireSignature({ token }: Session, url: URL, operation: "read" | "write"): void {
  const query = url.searchParams;
  const [path, user] = [query.get("path") ?? "", query.get("username") ?? ""];
  const until = query.get("signature_expiration");
  const words = [path, operation, user, token ?? "", ...(until === null ? [] : [until])];
  const own = digest(words.join(":")).toString("base64").replace(/=+$/, "");
  const isOver = until !== null && !(Number(until) >= Date.now() / 1000);
  if (!isOver && isSame(`v1_${own}`, query.get("signature") ?? "")) return;
  throw new CallError("unauthenticated", isOver ? "the URL has expired" : "wrong signature");
}

/** Takes what `/init` says; throws unauthenticated where another token was first. */
export function initialize(session: { -readonly [K in keyof Session]: Session[K] }, said: Json) {
  const token = textIn(said, "accessToken");
  if (session.token !== undefined) requireToken(session, token);
  else if (token !== "") session.token = token;
  session.variables = { ...session.variables, ...variablesIn(said, "envVars") };
  session.defaultUser = textIn(said, "defaultUser") || session.defaultUser;
  session.workdir = textIn(said, "defaultWorkdir") || session.workdir;
}
