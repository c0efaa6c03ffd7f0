/** What the data plane and the API share: where a sandbox is, and the way to its guest's ports. */
import { Agent, request, type IncomingMessage } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { eq } from "drizzle-orm";
import type { SandboxState } from "@evenkeel/api";
import type { Context } from "../context.ts";
import { PortError, type Tunnels } from "../http/tunnels.ts";
import { e2bSandboxes, sandboxes } from "../store/schema.ts";

/** Where E2B's SDKs look for the guest's agent. */
export const GUEST_PORT = 49_983;

export interface Place {
  readonly node: string;
  readonly state: SandboxState;
  readonly publicTraffic: boolean;
  readonly autoResume: boolean;
  readonly timeoutSeconds: number;
  readonly team: string;
}

interface GuestCall {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly token?: string;
  readonly body?: object;
}

interface GuestAnswer {
  readonly status: number;
  readonly text: string;
}

export interface Gate {
  /** Not older than a second; undefined where E2B's API knows of no such sandbox. */
  placeOf(sandbox: string): Promise<Place | undefined>;
  /** What was known of a sandbox is so no more: it was moved, paused or ended. */
  forget(sandbox: string): void;
  /** Keeps connections to guests' ports, by `host` (a sandbox) and `port`. */
  readonly agent: Agent;
  readonly tunnels: Tunnels;
  /** A call to the guest's agent. Throws PortError. */
  askGuest(sandbox: string, ask: GuestCall): Promise<GuestAnswer>;
  close(): void;
}

const FRESH_MS = 1000;
const MOST_PLACES = 50_000;
/** Servers in guests end connections that nobody uses, Node.js' own after five seconds. */
const IDLE_MS = 4000;
const MOST_CONNECTIONS = 100;
const ANSWER_LIMIT = 1024 * 1024;
const GUEST_MS = 5000;

interface Kept {
  readonly place: Promise<Place | undefined>;
  readonly at: number;
}

async function readPlace({ store }: Context, sandbox: string): Promise<Place | undefined> {
  const [row] = await store.db
    .select({
      node: sandboxes.node,
      state: sandboxes.state,
      publicTraffic: e2bSandboxes.publicTraffic,
      autoResume: e2bSandboxes.autoResume,
      timeoutSeconds: e2bSandboxes.timeoutSeconds,
      team: e2bSandboxes.team,
    })
    .from(sandboxes)
    .innerJoin(e2bSandboxes, eq(e2bSandboxes.sandbox, sandboxes.id))
    .where(eq(sandboxes.id, sandbox));
  return row;
}

function openPlaces(context: Context) {
  const places = new Map<string, Kept>();
  return {
    of: async (sandbox: string): Promise<Place | undefined> => {
      const now = performance.now();
      const kept = places.get(sandbox);
      if (kept !== undefined && now - kept.at < FRESH_MS) return await kept.place;
      if (places.size >= MOST_PLACES) places.clear();
      const place = readPlace(context, sandbox);
      places.set(sandbox, { place, at: now });
      place.catch(() => places.delete(sandbox));
      return await place;
    },
    forget: (sandbox: string) => void places.delete(sandbox),
  };
}

async function textOf(response: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of response as AsyncIterable<Buffer>) {
    length += part.length;
    if (length > ANSWER_LIMIT) throw new PortError("FAILED", "the guest's answer has no end");
    parts.push(part);
  }
  return Buffer.concat(parts).toString("utf8");
}

function ask(agent: Agent, sandbox: string, { method, path, token, body }: GuestCall) {
  const text = body === undefined ? undefined : JSON.stringify(body);
  const headers = {
    ...(text === undefined ? {} : { "content-type": "application/json" }),
    ...(token === undefined ? {} : { "x-access-token": token }),
  };
  // In all: one that says a byte now and then would keep a connection, and who waits for it.
  const signal = AbortSignal.timeout(GUEST_MS);
  const own = { host: sandbox, port: GUEST_PORT, signal };
  const options = { agent, ...own, method, path, headers };
  const why = (error: unknown) =>
    signal.aborted ? new PortError("PORT_CLOSED", "the guest is silent") : error;
  return new Promise<GuestAnswer>((settle, fail) => {
    const sent = request(options, (response) => {
      textOf(response).then(
        (answer) => settle({ status: response.statusCode ?? 0, text: answer }),
        (error: unknown) => fail(why(error)),
      );
    });
    sent.on("error", (error) => fail(why(error)));
    sent.end(text);
  });
}

export function openGate(context: Context, tunnels: Tunnels): Gate {
  const places = openPlaces(context);
  const agent = new Agent({
    keepAlive: true,
    maxSockets: MOST_CONNECTIONS,
    maxFreeSockets: MOST_CONNECTIONS,
    timeout: IDLE_MS,
    scheduling: "lifo",
  });
  const dial = async (sandbox: string, port: number) => {
    const place = await places.of(sandbox);
    if (place === undefined) throw new PortError("NO_SUCH_SANDBOX", "there is no such sandbox");
    return await tunnels.open(place.node, sandbox, port);
  };
  agent.createConnection = ((
    options: { readonly host: string; readonly port: number },
    done: (error: Error | null, stream?: unknown) => void,
  ) => {
    dial(options.host, options.port).then(
      (stream) => done(null, stream),
      (error: Error) => done(error),
    );
  }) as never;
  return {
    placeOf: places.of,
    agent,
    tunnels,
    forget: (sandbox) => {
      places.forget(sandbox);
      for (const all of [agent.sockets, agent.freeSockets]) {
        for (const [name, own = []] of Object.entries(all)) {
          if (name.startsWith(`${sandbox}:`)) for (const socket of own) socket.destroy();
        }
      }
    },
    askGuest: async (sandbox, call) => await ask(agent, sandbox, call),
    close: () => agent.destroy(),
  };
}

/** How long a guest may take to answer after a boot or a resume, as E2B's orchestrator has it. */
const READY_MS = 10_000;
const AGAIN_MS = 20;

/** The agent's words for a guest that has no network, as on doubles: it has no agent to greet. */
const NOT_THERE: ReadonlySet<string> = new Set(["NETWORK_OFF"]);

/**
 * Tells the guest's agent its token and its variables, which it needs after each boot and resume.
 * A guest without a network is left alone. Throws PortError.
 */
export async function greetGuest(
  gate: Gate,
  sandbox: string,
  said: { readonly accessToken: string; readonly envVars?: Readonly<Record<string, string>> },
): Promise<void> {
  const end = performance.now() + READY_MS;
  for (;;) {
    try {
      const body = { ...said, timestamp: new Date().toISOString() };
      const { status, text } = await gate.askGuest(sandbox, {
        method: "POST",
        path: "/init",
        body,
      });
      if (status < 300) return;
      throw new PortError(
        "GUEST_REFUSED",
        `its agent refused /init with ${status}: ${text.slice(0, 200)}`,
      );
    } catch (error) {
      const code = error instanceof PortError ? error.code : "";
      if (NOT_THERE.has(code)) return;
      if (code === "GUEST_REFUSED" || performance.now() > end) throw error;
    }
    await sleep(AGAIN_MS);
  }
}
