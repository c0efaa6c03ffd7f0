/**
 * A TCP port of a guest, for callers of the API: a request that asks to upgrade becomes a stream of
 * bytes. https://www.rfc-editor.org/rfc/rfc9110#name-upgrade
 */
import { ServerResponse, type IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { AGENT_ROUTES } from "@evenkeel/api";
import type { Context } from "../sandboxes/context.ts";
import { closePorts, joinStreams, openPort } from "../sandboxes/ports.ts";
import { AgentError } from "../errors.ts";
import type { App } from "./app.ts";

interface Upgrade {
  readonly socket: Duplex;
  /** What the caller has already sent after its request. */
  readonly head: Buffer;
}

const SWITCHING = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n";

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
  app.addHook("preClose", async () => closePorts(context));
  app.route({
    ...AGENT_ROUTES.forwardPort,
    handler: async ({ params, raw, headers }, reply) => {
      const { id, port } = params;
      const upgrade = upgrades.get(raw);
      if (upgrade === undefined || headers.upgrade?.toLowerCase() !== "tcp") {
        throw new AgentError("UPGRADE_NEEDED", "port forwarding needs an upgrade to tcp");
      }
      const guest = await openPort(context, id, port);
      reply.hijack();
      reply.raw.detachSocket(upgrade.socket as Socket);
      upgrade.socket.write(SWITCHING);
      guest.write(upgrade.head);
      joinStreams(upgrade.socket, guest);
    },
  });
}
