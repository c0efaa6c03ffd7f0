/**
 * HTTP as Firecracker's own server speaks it: three methods, any path, a body of a known length;
 * everything else is refused before the API sees it, in words of its own.
 * Source: the crate micro_http that Firecracker uses, and its src/firecracker/src/api_server.
 */
import { LINE, lineNumber } from "./versions.ts";

export interface HttpRequest {
  readonly method: string;
  /** What the API routes by; empty where the target is no path. */
  readonly path: string;
  readonly body: string;
}

export type Received =
  | { readonly kind: "request"; readonly request: HttpRequest; readonly rest: Buffer }
  | { readonly kind: "refused"; readonly words: string }
  | { readonly kind: "more" };

const SCHEME = "http://";

/** The path of a target: absolute, or behind a host that nobody looks at. */
function pathOf(target: string): string {
  if (!target.startsWith(SCHEME)) return target.startsWith("/") ? target : "";
  const slash = target.indexOf("/", SCHEME.length);
  return slash < 0 ? "" : target.slice(slash);
}

function refused(words: string): Received {
  return { kind: "refused", words };
}

function methodsOf(version: string): readonly string[] {
  const known = ["GET", "PUT", "PATCH"];
  return lineNumber(version) < LINE.hotUnplug ? known : [...known, "DELETE"];
}

/** The body's length, or what is wrong with the headers. */
function lengthIn(lines: readonly string[]): number | string {
  let length = 0;
  for (const line of lines) {
    const colon = line.indexOf(":");
    if (colon < 0) return `Invalid header. Reason: Header is incorrectly formatted. Key: ${line}`;
    const [name, value] = [line.slice(0, colon), line.slice(colon + 1)];
    if (name.trim().toLowerCase() !== "content-length") continue;
    if (!/^\+?\d{1,10}$/.test(value.trim())) {
      return `Invalid header. Reason: Invalid value. Key:${name}; Value:${value}`;
    }
    length = Number(value.trim());
  }
  return length;
}

/** Reads one request from what has come in; `limit`: bytes that a body may have. */
export function receive(bytes: Buffer, version: string, limit: number): Received {
  const end = bytes.indexOf("\r\n\r\n");
  if (end < 0) return { kind: "more" };
  const [first = "", ...lines] = bytes.toString("utf8", 0, end).split("\r\n");
  const [method = "", target = "", protocol = ""] = first.split(" ");
  if (!methodsOf(version).includes(method)) {
    return refused("Invalid HTTP Method: Unsupported HTTP method.");
  }
  if (!/^HTTP\/1\.[01]$/.test(protocol)) {
    return refused("Invalid HTTP Version: Unsupported HTTP version.");
  }
  const length = lengthIn(lines);
  if (typeof length === "string") return refused(length);
  if (length > limit) {
    const words = `Request payload with size ${length} is larger than the limit of ${limit}`;
    return refused(`${words} allowed by server.`);
  }
  const start = end + 4;
  if (bytes.length < start + length) return { kind: "more" };
  const body = bytes.toString("utf8", start, start + length);
  const request = { method, path: pathOf(target), body };
  return { kind: "request", request, rest: bytes.subarray(start + length) };
}

/** An answer's bytes: no body where there is nothing to say. */
export function respond(status: number, text: string | undefined, deprecated: boolean): string {
  const head = [`HTTP/1.1 ${status} `, "Server: Firecracker API", "Connection: keep-alive"];
  if (deprecated) head.push("Deprecation: true");
  if (text === undefined) return `${head.join("\r\n")}\r\n\r\n`;
  head.push("Content-Type: application/json", `Content-Length: ${Buffer.byteLength(text)}`);
  return `${head.join("\r\n")}\r\n\r\n${text}`;
}

/** Said by the HTTP server itself, not by the API: there is no `fault_message`. */
export function refusal(words: string): string {
  return `{ "error": "${words}\nAll previous unanswered requests will be dropped." }`;
}
