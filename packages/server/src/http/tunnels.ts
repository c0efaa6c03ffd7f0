/**
 * Ways to guests' ports: each node keeps a connection here, on which this server asks for streams.
 * A node has one, to the server that it dials; the newest counts.
 */
import { connect, type ClientHttp2Session } from "node:http2";
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { setImmediate } from "node:timers/promises";
import { TLSSocket } from "node:tls";
import { TUNNEL } from "@evenkeel/api/fleet";
import type { Context } from "../context.ts";
import { messageOf } from "../errors.ts";
import { nodeThatAsks } from "./auth.ts";
import { PortStream } from "./port-stream.ts";
import type { App } from "./server.ts";

const OPEN_MS = 10_000;

/** A stream was refused by the node: the agent's own code. */
export class PortError extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

export interface Tunnels {
  /** Bytes to and from a guest's port. Throws PortError, with NO_TUNNEL where the node is not connected here. */
  open(node: string, sandbox: string, port: number): Promise<Duplex>;
}

function sessionOver(socket: Duplex): ClientHttp2Session {
  const session = connect("http://guests", {
    createConnection: () => socket,
    settings: { initialWindowSize: TUNNEL.window, enablePush: false },
  });
  session.once("connect", () => session.setLocalWindowSize(TUNNEL.connectionWindow));
  session.on("error", () => undefined);
  // Not the session's own timeout, which answers to pings do not put off.
  let heardAt = performance.now();
  const pings = setInterval(() => {
    if (session.destroyed) return;
    if (performance.now() - heardAt > TUNNEL.silenceMs) session.destroy();
    else {
      session.ping((error) => {
        if (error === null) heardAt = performance.now();
      });
    }
  }, TUNNEL.pingMs);
  session.once("close", () => {
    clearInterval(pings);
    socket.destroy();
  });
  return session;
}

function streamTo(session: ClientHttp2Session, authority: string): Promise<Duplex> {
  return new Promise((settle, fail) => {
    const stream = session.request(
      { ":method": "CONNECT", ":authority": authority },
      { endStream: false },
    );
    const timer = setTimeout(() => stream.close(), OPEN_MS);
    stream.once("error", (error) => fail(new PortError("NO_TUNNEL", messageOf(error))));
    stream.once("close", () => fail(new PortError("NO_TUNNEL", "the node's connection ended")));
    stream.once("response", (headers) => {
      clearTimeout(timer);
      if (headers[":status"] === 200) return settle(new PortStream(stream));
      stream.close();
      const text = decodeURIComponent(String(headers[TUNNEL.message] ?? ""));
      return fail(new PortError(String(headers[TUNNEL.code] ?? "FAILED"), text));
    });
  });
}

/** Certificates are renewed: a connection lasts no longer than the one that it was opened with. */
function endWithCertificate(socket: Duplex): void {
  if (!(socket instanceof TLSSocket)) return;
  const left = Date.parse(socket.getPeerCertificate().valid_to) - Date.now();
  const timer = setTimeout(() => socket.destroy(), Math.max(0, Math.min(left, 2 ** 31 - 1)));
  timer.unref();
  socket.once("close", () => clearTimeout(timer));
}

const SWITCHING = `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${TUNNEL.protocol}\r\n\r\n`;

/** The connections of nodes to this server, by node. */
export interface Connections extends Tunnels {
  add(node: string, socket: Duplex): void;
  close(): void;
}

export function openConnections(): Connections {
  const sessions = new Map<string, ClientHttp2Session>();
  return {
    add: (node, socket) => {
      const session = sessionOver(socket);
      sessions.get(node)?.close();
      sessions.set(node, session);
      session.once("close", () => {
        if (sessions.get(node) === session) sessions.delete(node);
      });
    },
    close: () => {
      for (const session of sessions.values()) session.destroy();
    },
    open: async (node, sandbox, port) => {
      const session = sessions.get(node);
      if (session !== undefined && !session.destroyed) {
        return await streamTo(session, `${sandbox}:${port}`);
      }
      throw new PortError("NO_TUNNEL", "its node is not connected to this server");
    },
  };
}

/** Takes nodes' connections on the server's own port. */
export function openTunnels(app: App, context: Context): Tunnels {
  const connections = openConnections();
  const accept = async (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const { pathname } = new URL(request.url ?? "/", "http://server");
    const isAsked = request.headers.upgrade === TUNNEL.protocol && request.method === "GET";
    if (pathname !== TUNNEL.path || !isAsked) {
      return socket.end("HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n");
    }
    const { id } = await nodeThatAsks(context, request);
    endWithCertificate(socket);
    // HTTP/2 takes the socket's handle over, and ends the process where a write is still under way.
    await new Promise((settle) => socket.write(SWITCHING, settle));
    await setImmediate();
    if (socket.destroyed) return undefined;
    if (head.length > 0) socket.unshift(head);
    return connections.add(id, socket);
  };
  app.server.on("upgrade", (request, socket, head) => {
    socket.on("error", () => socket.destroy());
    accept(request, socket, head).catch(() =>
      socket.end("HTTP/1.1 401 Unauthorized\r\nConnection: close\r\n\r\n"),
    );
  });
  app.addHook("preClose", async () => connections.close());
  return connections;
}
