/**
 * The connections to Firecracker, which only the guard has. Firecracker serves ten connections at a
 * time and answers 503 to any more; the launcher opened all ten before anyone else could, checked
 * that they were the first, removed the socket's name and passed them on. Nobody else can connect,
 * not even with a file descriptor of the socket's inode. The guard writes the path and headers of
 * each call itself: at a header that it cannot read, Firecracker's HTTP server loses its place in
 * the stream and would take the body for the next call.
 */
import { Agent, request, type IncomingMessage } from "node:http";
import { Socket } from "node:net";

export interface Call {
  readonly method: string;
  readonly path: string;
  readonly body: Buffer;
  /** The announced size, if it is over Firecracker's limit; the body was not read. */
  readonly oversize?: number;
}

export interface Answer {
  readonly status: number;
  readonly reason: string;
  readonly headers: readonly string[];
  readonly body: Buffer;
}

export interface Upstream {
  readonly send: (call: Call) => Promise<Answer>;
  /** Called when one of the connections closes, whether Firecracker exited or not. */
  readonly watch: (ended: () => void) => void;
}

function headersOf({ method, body }: Call): string[] {
  const headers = ["Host", "localhost", "Accept", "application/json", "Connection", "keep-alive"];
  if (body.length > 0) headers.push("Content-Type", "application/json");
  const bare = method === "GET" || method === "DELETE";
  if (body.length > 0 || !bare) headers.push("Content-Length", String(body.length));
  return headers;
}

async function answerOf(response: IncomingMessage): Promise<Answer> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  const { statusCode = 0, statusMessage = "", rawHeaders } = response;
  return {
    status: statusCode,
    reason: statusMessage,
    headers: rawHeaders,
    body: Buffer.concat(chunks),
  };
}

/** `connections`: file descriptors of connected sockets; one is used, the others keep others out. */
export function openUpstream(connections: readonly number[]): Upstream {
  const sockets = connections.map((fd) => new Socket({ fd, readable: true, writable: true }));
  // Read from, so that their end is noticed.
  for (const socket of sockets) socket.on("error", () => undefined).resume();
  const spare = [...sockets];
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  agent.createConnection = () => {
    const socket = spare.pop();
    if (socket === undefined) throw new Error("no connection to Firecracker remains");
    return socket;
  };

  return {
    send: (call) =>
      new Promise((resolve, reject) => {
        const { method, path, body } = call;
        const outgoing = request({ method, path, headers: headersOf(call), agent });
        outgoing.setNoDelay(true);
        outgoing.once("error", reject);
        outgoing.once("response", (response) => {
          answerOf(response).then(resolve, reject);
        });
        outgoing.end(body);
      }),
    watch: (ended) => {
      for (const socket of sockets) socket.once("close", ended);
    },
  };
}
