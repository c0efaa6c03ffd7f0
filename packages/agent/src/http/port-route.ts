/**
 * A TCP port of a guest, for callers of the API: a request that asks to upgrade becomes a stream of
 * bytes. https://www.rfc-editor.org/rfc/rfc9110#name-upgrade
 */
import { ServerResponse, type IncomingMessage } from "node:http";
import { connect, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { AGENT_ROUTES } from "@evenkeel/api";
import type { Context } from "../sandboxes/context.ts";
import { AgentError } from "../errors.ts";
import type { App } from "./app.ts";

const CONNECT_MS = 5000;
const KEEP_ALIVE_MS = 30_000;
/** Of one sandbox at a time: each costs the agent two file descriptors. */
const MOST_STREAMS = 128;

interface Upgrade {
  readonly socket: Duplex;
  /** What the caller has already sent after its request. */
  readonly head: Buffer;
}

/** Throws NETWORK_OFF, WRONG_STATE. */
function addressOf({ sandboxes, cells }: Context, id: string): string {
  const { record } = sandboxes.get(id);
  if (record.state !== "running") {
    throw new AgentError("WRONG_STATE", `sandbox "${id}" is ${record.state}, not running`);
  }
  const address = record.network ? cells?.addressOf(id) : undefined;
  if (address !== undefined) return address;
  throw new AgentError("NETWORK_OFF", `sandbox "${id}" has no network`);
}

/** Throws PORT_CLOSED. */
function open(host: string, port: number): Promise<Socket> {
  return new Promise((settle, reject) => {
    const guest = connect({ host, port, allowHalfOpen: true });
    const fail = (why: string) => {
      guest.destroy();
      reject(new AgentError("PORT_CLOSED", `port ${port} of the guest: ${why}`));
    };
    guest.setTimeout(CONNECT_MS, () => fail("no answer"));
    guest.once("error", ({ message }) => fail(message));
    guest.once("connect", () => {
      guest.removeAllListeners("error").setTimeout(0);
      guest.setKeepAlive(true, KEEP_ALIVE_MS);
      settle(guest);
    });
  });
}

const SWITCHING = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n";

/** Each end sees the other's data, its end and its failure. */
function join(caller: Duplex, guest: Socket, head: Buffer): void {
  for (const [from, to] of [
    [caller, guest],
    [guest, caller],
  ] as const) {
    from.on("error", () => to.destroy());
    from.on("close", () => {
      // A clean end is passed on by the pipe; anything else is a failure.
      if (!from.readableEnded) to.destroy();
    });
  }
  caller.write(SWITCHING);
  guest.write(head);
  caller.pipe(guest);
  guest.pipe(caller);
}

/**
 * Passes upgrade requests to the routes like any other request, so that tokens and parameters are
 * checked in one place.
 */
function routeUpgrades(app: App): WeakMap<IncomingMessage, Upgrade> {
  const upgrades = new WeakMap<IncomingMessage, Upgrade>();
  app.server.on("upgrade", (request, socket, head) => {
    socket.on("error", () => socket.destroy());
    // The body of another request would never be read.
    if (request.method !== "GET") return socket.end("HTTP/1.1 400 Bad Request\r\n\r\n");
    upgrades.set(request, { socket, head });
    const response = new ServerResponse(request);
    response.shouldKeepAlive = false;
    response.assignSocket(socket as Socket);
    response.once("finish", () => socket.end());
    return app.routing(request, response);
  });
  return upgrades;
}

export function addPortRoute(app: App, context: Context): void {
  const upgrades = routeUpgrades(app);
  const streams = new Map<string, Set<Socket>>();
  app.addHook("preClose", async () => {
    for (const all of streams.values()) for (const guest of all) guest.destroy();
  });
  const keep = (id: string, guest: Socket) => {
    const all = streams.get(id) ?? new Set();
    streams.set(id, all.add(guest));
    guest.once("close", () => {
      all.delete(guest);
      if (all.size === 0) streams.delete(id);
    });
  };
  app.route({
    ...AGENT_ROUTES.forwardPort,
    handler: async ({ params, raw, headers }, reply) => {
      const { id, port } = params;
      const address = addressOf(context, id);
      const upgrade = upgrades.get(raw);
      if (upgrade === undefined || headers.upgrade?.toLowerCase() !== "tcp") {
        throw new AgentError("UPGRADE_NEEDED", "port forwarding needs an upgrade to tcp");
      }
      if ((streams.get(id)?.size ?? 0) >= MOST_STREAMS) {
        throw new AgentError("BUSY", `sandbox "${id}" already has ${MOST_STREAMS} open streams`);
      }
      const guest = await open(address, port);
      keep(id, guest);
      reply.hijack();
      reply.raw.detachSocket(upgrade.socket as Socket);
      join(upgrade.socket, guest, upgrade.head);
    },
  });
}
