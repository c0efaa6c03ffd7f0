/** The API's HTTP server: one request after the other, faults as Firecracker words them. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { FaultError } from "./fault.ts";
import type { Microvm } from "./microvm.ts";
import { parseRequest } from "./requests.ts";
import { readSettings, type Ending } from "./settings.ts";

const HEADERS = { Server: "Firecracker API", Connection: "keep-alive" } as const;

export interface ServerOptions {
  readonly microvm: Microvm;
  /** Bytes that a body may have. */
  readonly limit: number;
  readonly end: (ending: Ending) => void;
}

function answer(
  response: ServerResponse,
  status: number,
  body: unknown,
  deprecated: boolean,
): void {
  response.sendDate = false;
  const extra = deprecated ? { Deprecation: "true" } : {};
  if (body === undefined) {
    response.writeHead(status, "", { ...HEADERS, ...extra });
    response.end();
    return;
  }
  const text = typeof body === "string" ? body : JSON.stringify(body);
  response.writeHead(status, "", {
    ...HEADERS,
    ...extra,
    "Content-Type": "application/json",
    "Content-Length": Buffer.byteLength(text),
  });
  response.end(text);
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString("utf8");
}

/** Said by the HTTP server itself, not by the API: there is no `fault_message`. */
function tooLarge(size: number, limit: number): string {
  const words =
    `Request payload with size ${size} is larger than the limit of ${limit} allowed by server.\n` +
    "All previous unanswered requests will be dropped.";
  return `{ "error": "${words}" }`;
}

async function serve(
  request: IncomingMessage,
  response: ServerResponse,
  { microvm, limit, end }: ServerOptions,
): Promise<void> {
  const { method = "", url = "" } = request;
  const size = Number(request.headers["content-length"] ?? 0);
  if (size > limit) {
    response.once("finish", () => request.destroy());
    answer(response, 400, tooLarge(size, limit), false);
    return;
  }
  const text = await readBody(request);
  let deprecated = false;
  const call = `${method} ${url}`;
  const { delays, faults, endings, version, arch } = readSettings();
  await sleep(delays?.[call] ?? 0);
  const ending = endings?.[call];
  if (ending !== undefined) {
    end(ending);
    return;
  }
  try {
    const forced = faults?.[call];
    if (forced !== undefined) throw new FaultError(forced.message, forced.status ?? 400);
    const parsed = parseRequest(method, url, text, { version, arch });
    deprecated = parsed.deprecated;
    const body = await microvm.handle(parsed.action);
    answer(response, body === undefined ? 204 : 200, body, deprecated);
  } catch (error) {
    if (!(error instanceof FaultError)) throw error;
    if (error.fatal) response.once("finish", () => end({ code: 1, stderr: fatalWords(error) }));
    answer(response, error.status, { fault_message: error.message }, deprecated);
  }
}

function fatalWords(error: FaultError): string {
  return `Error: RunWithApi(BuildMicroVmError(Restore))\n${error.message}\n`;
}

/** Source: micro_http, server.rs. */
const MAX_CONNECTIONS = 10;
const SERVER_FULL =
  "HTTP/1.1 503\r\nServer: Firecracker API\r\nConnection: close\r\nContent-Length: 40\r\n\r\n" +
  '{ "error": "Too many open connections" }';

export function createApi(options: ServerOptions): Server {
  let last: Promise<void> = Promise.resolve();
  let open = 0;
  const server = createServer((request, response) => {
    last = last.then(() => serve(request, response, options));
    last.catch((error: unknown) => {
      options.end({ code: 1, stderr: `Error: ${String(error)}\n` });
    });
  });
  server.on("connection", (socket) => {
    if (open === MAX_CONNECTIONS) {
      socket.end(SERVER_FULL);
      return;
    }
    open += 1;
    socket.once("close", () => {
      open -= 1;
    });
  });
  // Idle connections stay for ever.
  server.keepAliveTimeout = 0;
  server.headersTimeout = 0;
  server.requestTimeout = 0;
  return server;
}
