/**
 * The way to Firecracker, which only the guard has: it holds the socket's inode open and takes its
 * name away. Once the guard has gone, nobody can connect any more.
 */
import { constants, openSync, rmSync } from "node:fs";
import { Agent, request, type IncomingMessage } from "node:http";
import { connect } from "node:net";

/** open(2); Node has no constant for it. The same number on x86-64 and aarch64. */
const O_PATH = 0o10_000_000;

export interface Call {
  readonly method: string;
  readonly path: string;
  /** As they came, names and values in turn. */
  readonly headers: readonly string[];
  readonly body: Buffer;
  /** The size that was announced where it is over Firecracker's limit; the body was not read. */
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
  /** Calls back when the connection that is held for this ends; throws where there is none. */
  readonly watch: (ended: () => void) => Promise<void>;
}

/** Between the client and the guard only, or written anew. */
const OWN_HEADERS = new Set(["connection", "content-length", "expect", "transfer-encoding"]);

function headersOf({ method, headers, body, oversize }: Call): string[] {
  const kept: string[] = [];
  for (let i = 0; i + 1 < headers.length; i += 2) {
    const [name = "", value = ""] = headers.slice(i, i + 2);
    if (!OWN_HEADERS.has(name.toLowerCase())) kept.push(name, value);
  }
  const size = oversize ?? body.length;
  if (size > 0 || method !== "GET") kept.push("Content-Length", String(size));
  return [...kept, "Connection", "keep-alive"];
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

/** `socket`: its only name, which is taken away. */
export function openUpstream(socket: string): Upstream {
  const inode = openSync(socket, constants.O_NOFOLLOW | O_PATH);
  rmSync(socket);
  const socketPath = `/proc/self/fd/${inode}`;
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });

  return {
    send: (call) =>
      new Promise((resolve, reject) => {
        const { method, path, body, oversize } = call;
        const outgoing = request({
          socketPath,
          method,
          path,
          headers: headersOf(call),
          agent: oversize === undefined ? agent : false,
        });
        outgoing.setNoDelay(true);
        outgoing.once("error", reject);
        outgoing.once("response", (response) => {
          answerOf(response)
            .then(resolve, reject)
            .finally(() => {
              // Firecracker answers to the headers alone; the body never comes.
              if (oversize !== undefined) outgoing.destroy();
            });
        });
        if (oversize === undefined) outgoing.end(body);
        else outgoing.flushHeaders();
      }),
    watch: (ended) =>
      new Promise((resolve, reject) => {
        const held = connect(socketPath);
        held.once("connect", () => {
          held.off("error", reject).on("error", () => undefined);
          held.once("close", ended).resume();
          resolve();
        });
        held.once("error", reject);
      }),
  };
}
