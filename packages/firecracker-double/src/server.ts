/** The API's server: one request after the other, faults as Firecracker words them. */
import { createServer, type Server, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { FaultError } from "./fault.ts";
import { receive, refusal, respond, type HttpRequest } from "./http.ts";
import type { Microvm } from "./microvm.ts";
import { parseRequest } from "./requests.ts";
import { readSettings, type Ending } from "./settings.ts";

export interface ServerOptions {
  readonly microvm: Microvm;
  /** Bytes that a body may have. */
  readonly limit: number;
  readonly end: (ending: Ending) => void;
  /** A load has failed: the process ends, as nothing can be done with what is left. */
  readonly fail: () => void;
}

function json(body: unknown): string | undefined {
  if (body === undefined) return undefined;
  return typeof body === "string" ? body : JSON.stringify(body);
}

async function serve(socket: Socket, request: HttpRequest, options: ServerOptions): Promise<void> {
  const { microvm, end, fail } = options;
  const { method, path, body } = request;
  const { delays, faults, endings, version, arch } = readSettings();
  const call = `${method} ${path}`;
  await sleep(delays?.[call] ?? 0);
  const ending = endings?.[call];
  if (ending !== undefined) {
    end(ending);
    return;
  }
  let deprecated = false;
  try {
    const forced = faults?.[call];
    if (forced !== undefined) throw new FaultError(forced.message, forced.status ?? 400);
    const parsed = parseRequest(method, path, body, { version, arch });
    deprecated = parsed.deprecated;
    const said = json(await microvm.handle(parsed.action));
    socket.write(respond(said === undefined ? 204 : 200, said, deprecated));
  } catch (error) {
    if (!(error instanceof FaultError)) throw error;
    const said = JSON.stringify({ fault_message: error.message });
    const done = () => (error.fatal ? fail() : undefined);
    socket.write(respond(error.status, said, deprecated), done);
  }
}

/** Source: micro_http, server.rs. */
const MAX_CONNECTIONS = 10;
const SERVER_FULL =
  "HTTP/1.1 503\r\nServer: Firecracker API\r\nConnection: close\r\nContent-Length: 40\r\n\r\n" +
  '{ "error": "Too many open connections" }';

export function createApi(options: ServerOptions): Server {
  let last: Promise<void> = Promise.resolve();
  let open = 0;
  return createServer((socket) => {
    socket.on("error", () => socket.destroy());
    if (open === MAX_CONNECTIONS) {
      socket.end(SERVER_FULL);
      return;
    }
    open += 1;
    socket.once("close", () => {
      open -= 1;
    });
    let received: Buffer = Buffer.alloc(0);
    socket.on("data", (chunk) => {
      received = Buffer.concat([received, chunk]);
      for (;;) {
        const next = receive(received, readSettings().version, options.limit);
        if (next.kind === "more") return;
        if (next.kind === "refused") {
          received = Buffer.alloc(0);
          socket.write(respond(400, refusal(next.words), false));
          return;
        }
        received = next.rest;
        last = last.then(() => serve(socket, next.request, options));
        last.catch((error: unknown) => {
          options.end({ code: 1, stderr: `Error: ${String(error)}\n` });
        });
      }
    });
  });
}
