/** The socket that the orchestrator sees: reads complete calls and answers them in order. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Answer, Call } from "./upstream.ts";

/** Reads no more than Firecracker would take. */
async function callOf(request: IncomingMessage, limit: number): Promise<Call> {
  const { method = "", url = "" } = request;
  const call = { method, path: url };
  const announced = Number(request.headers["content-length"] ?? 0);
  const chunks: Buffer[] = [];
  let size = 0;
  if (announced <= limit) {
    for await (const chunk of request.iterator({ destroyOnReturn: false })) {
      chunks.push(chunk as Buffer);
      size += (chunk as Buffer).length;
      if (size > limit) break;
    }
  }
  const oversize = Math.max(announced, size);
  if (oversize <= limit) return { ...call, body: Buffer.concat(chunks) };
  request.resume();
  return { ...call, body: Buffer.alloc(0), oversize };
}

function write(response: ServerResponse, { status, reason, headers, body }: Answer): void {
  response.sendDate = false;
  response.writeHead(status, reason, [...headers]);
  response.end(body.length === 0 ? undefined : body);
}

export interface ServerOptions {
  readonly handle: (call: Call) => Promise<Answer>;
  /** Bytes that a body may have. */
  readonly limit: number;
}

export function guardServer({ handle, limit }: ServerOptions): Server {
  let last: Promise<unknown> = Promise.resolve();

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const call = await callOf(request, limit);
    const turn = last.then(() => handle(call));
    last = turn.catch(() => undefined);
    write(response, await turn);
  }

  const server = createServer({ requireHostHeader: false }, (request, response) => {
    // A Firecracker that has exited does not answer either.
    serve(request, response).catch(() => response.destroy());
  });
  // Firecracker keeps idle and slow connections forever.
  server.keepAliveTimeout = 0;
  server.headersTimeout = 0;
  server.requestTimeout = 0;
  return server;
}
