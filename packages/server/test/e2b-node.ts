/** A node of the tests of E2B's API, and guests that are processes here. */
import { once } from "node:events";
import type { Server as HttpServer } from "node:http";
import { request } from "node:https";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { startGuestAgent } from "@evenkeel/guest-agent";
import { AgentError } from "../../agent/src/errors.ts";
import { serveTunnel } from "../../agent/src/fleet/tunnel.ts";
import type { TestNode } from "./support.ts";

export const GUEST_PORT = 49_983;

function portOf(server: HttpServer | undefined): number {
  return (server?.address() as AddressInfo | undefined)?.port ?? 0;
}

/** Runs "sandboxes" as a node says that it does, each with a guest agent of its own. */
export function actAs(node: TestNode, base: string, ca: string) {
  const guests = new Map<string, HttpServer>();
  const states = new Map<string, { state: string; snapshot: object }>();
  const stop = new AbortController();
  const done: string[] = [];
  const failing = new Set<string>();
  let [digest, contract] = ["", ""];
  const sandboxOf = (id: string) => {
    const { state, snapshot } = states.get(id) ?? { state: "running", snapshot: {} };
    const created = "2026-01-01T00:00:00.000Z";
    return { id, state, from: digest, contract, memoryMib: 512, labels: {}, created, ...snapshot };
  };
  const perform = async (kind: string, id: string) => {
    done.push(`${kind} ${id}`);
    if (failing.has(kind)) return { error: { code: "FAILED", message: "as the test has it" } };
    if (kind === "create") guests.set(id, await startGuestAgent(0, "127.0.0.1"));
    if (kind === "kill") {
      guests.get(id)?.closeAllConnections();
      guests.get(id)?.close();
      guests.delete(id);
      states.delete(id);
      return {};
    }
    if (kind === "extend") return { sandbox: sandboxOf(id) };
    states.set(id, {
      state: kind === "pause" ? "paused" : "running",
      snapshot: kind === "pause" ? { snapshot: digest } : {},
    });
    return { sandbox: sandboxOf(id) };
  };
  const work = async () => {
    while (!stop.signal.aborted) {
      const { body } = await node.call("POST", "/v1/node/work", { running: [] });
      for (const one of (body?.work ?? []) as {
        id: string;
        work: { kind: string; sandbox: string };
      }[]) {
        const result = await perform(one.work.kind, one.work.sandbox);
        await node.call("POST", `/v1/node/work/${one.id}`, result);
      }
    }
  };
  const open = async (id: string, port: number) => {
    if (states.get(id)?.state !== "running") throw new AgentError("WRONG_STATE", "it is paused");
    const guest = guests.get(id);
    const to = port === GUEST_PORT ? portOf(guest) : port;
    const socket = connect({ port: to, host: "127.0.0.1" });
    await once(socket, "connect").catch(() => {
      throw new AgentError("PORT_CLOSED", "nobody listens");
    });
    return socket;
  };
  const dial = async () => {
    const headers = { connection: "Upgrade", upgrade: "evenkeel-tunnel" };
    const asked = request(new URL("/v1/node/tunnel", base), {
      headers,
      ca,
      ...node.credentials,
      agent: false,
    });
    asked.end();
    const [, socket] = (await once(asked, "upgrade")) as [unknown, Duplex];
    await serveTunnel(socket, open, stop.signal);
  };
  return {
    /** What it was asked to do, the last being the newest. */
    done,
    /** Kinds of work that it fails at. */
    failing,
    /** Does by itself what nobody asked for, and says so; the answer is work, and waits for some. */
    becomes: async (id: string, state: "pausing" | "paused") => {
      states.set(id, { state, snapshot: state === "paused" ? { snapshot: digest } : {} });
      const sandboxes = [...states.keys()].map(sandboxOf);
      void node.call("POST", "/v1/node/work", { running: [], sandboxes }).catch(() => undefined);
    },
    holds: (one: { digest: string; contract: string }) => {
      [digest, contract] = [one.digest, one.contract];
    },
    start: () => {
      void work().catch(() => undefined);
      void dial().catch(() => undefined);
    },
    stop: () => {
      stop.abort();
      for (const guest of guests.values()) guest.close();
    },
  };
}

/** A guest's server that is none of HTTP's: what it hears, and does for each piece. */
export async function listenRaw(answer: (socket: Socket, heard: string) => void): Promise<Server> {
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.on("data", (part) => answer(socket, part.toString("latin1")));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return server;
}
