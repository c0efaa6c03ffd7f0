/**
 * The way from the fleet's server to guests' ports. The node dials out, as for everything else; on
 * this one connection the server then asks, by HTTP/2's CONNECT, for `<sandbox>:<port>`, and each
 * stream becomes a TCP connection to that guest.
 * https://www.rfc-editor.org/rfc/rfc9113#name-the-connect-method
 */
import { request } from "node:https";
import {
  performServerHandshake,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { TUNNEL } from "@evenkeel/api/fleet";
import { AgentError, messageOf } from "../errors.ts";
import { joinStreams, openPort } from "../sandboxes/ports.ts";
import type { Worker } from "./work.ts";

const AGAIN_MS = 1000;
const CONNECT_MS = 10_000;

/** Throws where the server cannot be reached, or does not let the node in. */
function dial({ identity, key }: Worker, stopping: AbortSignal): Promise<Duplex> {
  const { server, ca, certificate } = identity();
  return new Promise((settle, fail) => {
    const asked = request(new URL(TUNNEL.path, server), {
      headers: { connection: "Upgrade", upgrade: TUNNEL.protocol },
      agent: false,
      ca,
      cert: certificate,
      key,
      signal: stopping,
    });
    asked.setTimeout(CONNECT_MS, () => asked.destroy(new Error("no answer in time")));
    asked.once("upgrade", (_response, socket, head) => {
      socket.setTimeout(0);
      if (head.length > 0) socket.unshift(head);
      settle(socket);
    });
    asked.once("response", (response) => {
      response.resume();
      fail(new Error(`${server} answers ${response.statusCode ?? 0}`));
    });
    asked.once("error", fail);
    asked.end();
  });
}

function targetOf(authority: string | undefined): { id: string; port: number } | undefined {
  const [, id, port] = /^([a-z0-9-]{1,32}):(\d{1,5})$/.exec(authority ?? "") ?? [];
  return id === undefined ? undefined : { id, port: Number(port) };
}

/** A connection to a port of a sandbox's guest; throws AgentError. */
type OpenPort = (id: string, port: number) => Promise<Socket>;

/** One stream to one port: as long as both ends last. */
async function serve(open: OpenPort, stream: ServerHttp2Stream, authority: string | undefined) {
  const target = targetOf(authority);
  try {
    if (target === undefined) throw new AgentError("BAD_REQUEST", "no sandbox and port");
    const guest = await open(target.id, target.port);
    guest.on("error", () => guest.destroy());
    // Whoever called may have gone while the guest was dialled.
    if (stream.destroyed) guest.destroy();
    else {
      stream.respond({ ":status": 200 });
      joinStreams(stream, guest);
    }
  } catch (error) {
    if (stream.destroyed) return;
    const code = error instanceof AgentError ? error.code : "FAILED";
    const message = encodeURIComponent(messageOf(error).slice(0, 500));
    stream.respond(
      { ":status": 502, [TUNNEL.code]: code, [TUNNEL.message]: message },
      { endStream: true },
    );
  }
}

function ended(session: ServerHttp2Session): Promise<void> {
  return new Promise((settle) => {
    if (session.destroyed) settle();
    session.once("close", settle);
  });
}

/** Answers on one connection, until it ends or is to stop. */
export async function serveTunnel(
  socket: Duplex,
  open: OpenPort,
  stopping: AbortSignal,
): Promise<void> {
  socket.on("error", () => undefined);
  const session = performServerHandshake(socket, {
    settings: { initialWindowSize: TUNNEL.window, maxConcurrentStreams: TUNNEL.streams },
  });
  session.setLocalWindowSize(TUNNEL.connectionWindow);
  session.on("error", () => undefined);
  session.on("stream", (stream, headers) => {
    // Before anything is awaited: an error that nobody hears ends the process.
    stream.on("error", () => undefined);
    if (headers[":method"] === "CONNECT") void serve(open, stream, headers[":authority"]);
    else stream.close();
  });
  // The server pings; a connection on which nothing comes is none.
  let heardAt = performance.now();
  session.on("ping", () => {
    heardAt = performance.now();
  });
  const looks = setInterval(() => {
    if (performance.now() - heardAt > TUNNEL.silenceMs) session.destroy();
  }, TUNNEL.pingMs);
  const stop = () => session.destroy();
  stopping.addEventListener("abort", stop, { once: true });
  await ended(session);
  clearInterval(looks);
  stopping.removeEventListener("abort", stop);
  socket.destroy();
}

async function run(worker: Worker): Promise<void> {
  const { context } = worker;
  const { stopping } = context;
  const open: OpenPort = async (id, port) => await openPort(context, id, port);
  await serveTunnel(await dial(worker, stopping), open, stopping);
}

/** Keeps the connection until the agent stops. */
export async function keepTunnel(worker: Worker): Promise<void> {
  const { stopping, report } = worker.context;
  let trouble = "";
  while (!stopping.aborted) {
    try {
      await run(worker);
      trouble = "";
    } catch (error) {
      const why = messageOf(error);
      if (why !== trouble && !stopping.aborted) report("the way to guests' ports", why);
      trouble = why;
    }
    await sleep(AGAIN_MS, undefined, { signal: stopping }).catch(() => undefined);
  }
}
