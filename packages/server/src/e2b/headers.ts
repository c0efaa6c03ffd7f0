/** Headers that pass between callers and guests. */
import type { IncomingMessage } from "node:http";

/** Of one connection alone, and what is this server's to know. */
const NOT_PASSED: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "e2b-sandbox-id",
  "e2b-sandbox-port",
  "e2b-traffic-access-token",
  "x-api-key",
]);

/**
 * Passed on even where `Connection` names them: a body whose length was dropped would be the next
 * request on a connection that others use.
 */
const ALWAYS: ReadonlySet<string> = new Set(["content-length", "host"]);

/** As they were written, in their order, without what `Connection` names. */
export function passed({ rawHeaders, headers }: IncomingMessage): string[] {
  const named = new Set((headers.connection ?? "").toLowerCase().split(/\s*,\s*/));
  const kept: string[] = [];
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const [name = "", value = ""] = [rawHeaders[i], rawHeaders[i + 1]];
    const lower = name.toLowerCase();
    const isNamed = named.has(lower) && !ALWAYS.has(lower);
    if (!NOT_PASSED.has(lower) && !isNamed) kept.push(name, value);
  }
  return kept;
}

/** Whether a body follows the head: without a length and a coding there is none. */
export function hasBody({ headers }: IncomingMessage): boolean {
  const length = headers["content-length"] ?? "0";
  return headers["transfer-encoding"] !== undefined || !/^0+$/.test(length);
}

/**
 * What frames a request's body anew. Node.js' client frames none for methods that usually have
 * none, so what there is to say is always said.
 */
export function framing({ headers }: IncomingMessage): string[] {
  if (headers["transfer-encoding"] !== undefined) return ["Transfer-Encoding", "chunked"];
  return headers["content-length"] === undefined ? ["Content-Length", "0"] : [];
}

/** A head as text, to be written as latin1. */
export function headText(first: string, headers: readonly string[]): string {
  const lines = [first];
  for (let i = 0; i + 1 < headers.length; i += 2) {
    lines.push(`${headers[i] ?? ""}: ${headers[i + 1] ?? ""}`);
  }
  return `${lines.join("\r\n")}\r\n\r\n`;
}
