/** Who may reach a port of a sandbox. */
import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { GUEST_PORT } from "./gate.ts";
import type { Tokens } from "./keys.ts";
import type { Target } from "./target.ts";

const TRAFFIC_HEADER = "e2b-traffic-access-token";

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

function isSame(own: string, sent: unknown): boolean {
  return typeof sent === "string" && timingSafeEqual(digest(own), digest(sent));
}

/** `v1_` and the digest of path, operation, user, token and, if any, when it ends. */
function isSigned(token: string, url: URL, method: string): boolean {
  const query = url.searchParams;
  const until = query.get("signature_expiration");
  if (until !== null && !(Number(until) >= Date.now() / 1000)) return false;
  const operation = method === "GET" ? "read" : "write";
  const words = [query.get("path") ?? "", operation, query.get("username") ?? "", token];
  const text = [...words, ...(until === null ? [] : [until])].join(":");
  const own = digest(text).toString("base64").replace(/=+$/, "");
  return isSame(`v1_${own}`, query.get("signature"));
}

/** The agent's one question that takes no token; as it is written, not as it might be read. */
export function isHealth({ url = "/" }: IncomingMessage): boolean {
  return /^\/health(?:\?|$)/.test(url);
}

/**
 * The guest's agent is for who has the sandbox's token, whatever the agent itself asks for: an
 * image may have an old one, and a guest that was never greeted asks for nothing. Other ports are
 * public, as E2B has it, unless the sandbox was created otherwise.
 */
export function mayReach(
  request: IncomingMessage,
  { sandbox, port }: Target,
  publicTraffic: boolean,
  tokens: Tokens,
): boolean {
  const { method = "", url = "/", headers } = request;
  if (port !== GUEST_PORT) {
    return publicTraffic || isSame(tokens.traffic(sandbox), headers[TRAFFIC_HEADER]);
  }
  if (isHealth(request)) return true;
  const asked = new URL(url, "http://guest");
  // What the server itself says to a guest is not for callers to say.
  if (asked.pathname === "/init") return false;
  const token = tokens.access(sandbox);
  if (isSame(token, headers["x-access-token"])) return true;
  return asked.pathname === "/files" && isSigned(token, asked, method);
}
