/**
 * Which sandbox's port a request is for: by its host's name, `<port>-<sandbox>.<domain>`, or by
 * E2B's headers where the host names no sandbox. Pure.
 */
import { isIP } from "node:net";
import type { IncomingHttpHeaders } from "node:http";

export interface Target {
  readonly sandbox: string;
  readonly port: number;
}

const SANDBOX = "[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?";
const LABEL = new RegExp(`^(\\d{1,5})-(${SANDBOX})$`);
const WHOLE = new RegExp(`^${SANDBOX}$`);

function portOf(text: string): number | undefined {
  const port = Number(text);
  return /^\d{1,5}$/.test(text) && port >= 1 && port <= 65_535 ? port : undefined;
}

/** A host without its port, in lower case: `[::1]:80` is `::1`. */
export function hostOf(header: string | undefined): string {
  const host = (header ?? "").toLowerCase();
  const [, bracketed] = /^\[([^\]]*)\]/.exec(host) ?? [];
  return bracketed ?? host.replace(/:\d*$/, "");
}

function one(header: string | string[] | undefined): string {
  return typeof header === "string" ? header : "";
}

/** `api`: it is for the API. `unknown`: for a host that is not of this domain. */
export function targetOf(headers: IncomingHttpHeaders, domain: string): Target | "api" | "unknown" {
  const host = hostOf(headers.host);
  const below = host.endsWith(`.${domain}`) ? host.slice(0, -domain.length - 1) : undefined;
  const [, portText = "", named] = LABEL.exec(below ?? "") ?? [];
  const namedPort = portOf(portText);
  if (named !== undefined && namedPort !== undefined) return { sandbox: named, port: namedPort };
  const isOurs = host === domain || below === "api" || below === "sandbox";
  const isLocal = host === "localhost" || isIP(host) !== 0;
  if (!isOurs && !isLocal) return "unknown";
  const sandbox = one(headers["e2b-sandbox-id"]);
  if (sandbox === "" || below === "api") return "api";
  const port = portOf(one(headers["e2b-sandbox-port"]));
  return WHOLE.test(sandbox) && port !== undefined ? { sandbox, port } : "unknown";
}
