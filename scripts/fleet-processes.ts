/** A server and agents on doubles, as processes of their own: for `npm run fleet` and benchmarks. */
import { spawn, type ChildProcess } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { installDouble } from "@evenkeel/firecracker-double";
import { callFleet, fetchCa } from "../packages/cli/src/fleet/call.ts";
import { keepContext, type FleetContext } from "../packages/cli/src/fleet/contexts.ts";

export const ROOT = fileURLToPath(new URL("..", import.meta.url));
const BIN = join(ROOT, "packages/cli/bin/evenkeel.js");
const PATIENCE_MS = 300_000;

// oxlint-disable-next-line typescript/no-explicit-any -- answers are shown, and looked into
export type Json = any;

/** `patience` in milliseconds. */
export async function until<T>(
  what: string,
  ask: () => Promise<T | undefined>,
  patience = PATIENCE_MS,
): Promise<T> {
  const end = Date.now() + patience;
  for (;;) {
    const found = await ask().catch(() => undefined);
    if (found !== undefined) return found;
    if (Date.now() > end) throw new Error(`${what}: not in time`);
    await sleep(100);
  }
}

/** Processes that end with this one. */
export interface Crew {
  start(args: readonly string[]): Promise<void>;
  /** What is done before the processes end. */
  before(run: () => Promise<void>): void;
  stop(): Promise<void>;
}

export function openCrew(): Crew {
  const children = new Set<ChildProcess>();
  const first: (() => Promise<void>)[] = [];
  return {
    before: (run) => void first.push(run),
    start: async (args) => {
      // A group of its own: the terminal's ^C is for us, and we end it in order.
      const child = spawn(process.execPath, [BIN, ...args], {
        cwd: ROOT,
        stdio: ["ignore", "ignore", "pipe"],
        detached: true,
      });
      children.add(child);
      let log = "";
      child.stderr?.on("data", (part: Buffer) => {
        log = `${log}${part.toString("utf8")}`.slice(-10_000);
      });
      await until(`evenkeel ${args[0]}`, async () => {
        if (child.exitCode !== null) return true;
        return log.includes("listens on") ? true : undefined;
      });
      if (child.exitCode !== null) throw new Error(`evenkeel ${args[0]} ended: ${log}`);
    },
    stop: async () => {
      await Promise.allSettled(first.map(async (run) => await run()));
      for (const child of [...children].toReversed()) {
        if (child.exitCode !== null || child.signalCode !== null) continue;
        const gone = new Promise((settle) => child.once("exit", settle));
        child.kill("SIGTERM");
        await Promise.race([gone, sleep(10_000)]);
        if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
      }
    },
  };
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((settle) => server.listen(0, "127.0.0.1", settle));
  const address = server.address();
  await new Promise((settle) => server.close(settle));
  return typeof address === "object" && address !== null ? address.port : 0;
}

export interface FleetServer {
  readonly url: string;
  readonly context: FleetContext;
  readonly call: (
    method: "GET" | "POST" | "PATCH" | "DELETE",
    path: string,
    body?: unknown,
  ) => Promise<Json>;
}

/** Starts a server in a directory, and keeps a context for it in a file. */
export async function startServer(
  crew: Crew,
  directory: string,
  contexts: string,
): Promise<FleetServer> {
  const port = await freePort();
  const url = `https://127.0.0.1:${port}`;
  const listen = ["--listen", `127.0.0.1:${port}`, "--log-level", "warn"];
  await crew.start(["serve", "--data-dir", directory, ...listen]);
  const token = readFileSync(join(directory, "operator.token"), "utf8").trim();
  const context = { server: url, ca: (await fetchCa(url)).pem, token };
  keepContext({ EVENKEEL_FLEET_CONFIG: contexts }, "laptop", context);
  return {
    url,
    context,
    call: async (method, path, body) =>
      await callFleet(context, method, path, body, { secret: path === "/v1/join-tokens" }),
  };
}

export interface FleetAgent {
  readonly name: string;
  readonly call: (method: "GET" | "POST" | "DELETE", path: string, body?: unknown) => Promise<Json>;
}

/** Calls an agent's API on its Unix socket. */
export function callSocket(socketPath: string): FleetAgent["call"] {
  return async (method, path, body) =>
    await new Promise((settle, fail) => {
      const text = body === undefined ? undefined : JSON.stringify(body);
      const headers = text === undefined ? {} : { "content-type": "application/json" };
      const sent = request({ socketPath, method, path, headers }, (response) => {
        let answer = "";
        response.on("data", (part: Buffer) => {
          answer += part.toString("utf8");
        });
        response.on("end", () => settle(answer === "" ? undefined : JSON.parse(answer)));
      });
      sent.on("error", fail);
      sent.end(text);
    });
}

/** What a template of the double is made of. */
export const MACHINE = {
  kernel: "6.1",
  vcpus: 1,
  memoryMib: 16,
  disks: [{ id: "rootfs", image: "rootfs", root: true }],
};

/** An agent on a double that is a node of this profile: guests die of what it lacks. */
export async function startAgent(
  crew: Crew,
  server: FleetServer,
  { directory, profile, pool }: { directory: string; profile: string; pool: string },
): Promise<FleetAgent> {
  const [fc, kernels, images] = ["fc", "k", "i"].map((name) => join(directory, name)) as [
    string,
    string,
    string,
  ];
  for (const path of [join(kernels, "6.1"), images]) mkdirSync(path, { recursive: true });
  installDouble(fc, { version: "1.14.1", console: ["Debian login:"], profile });
  writeFileSync(join(kernels, "6.1/vmlinux.bin"), "");
  writeFileSync(join(images, "rootfs"), "disk");
  const { token } = await server.call("POST", "/v1/join-tokens", { labels: { pool } });
  const socket = join(directory, "a.sock");
  const values = {
    profile,
    "versions-dir": fc,
    "kernels-dir": kernels,
    "images-dir": images,
    "data-dir": join(directory, "d"),
    listen: socket,
    server: server.url,
    join: token as string,
    "max-memory-mib": "8192",
    isolation: "none",
    "log-level": "warn",
  };
  const flags = Object.entries(values).flatMap(([name, value]) => [`--${name}`, value]);
  await crew.start(["agent", "--foreign-profile", ...flags]);
  const call = callSocket(socket);
  // Sandboxes outlive their agent on purpose: they are ended first.
  crew.before(async () => {
    const { sandboxes } = await call("GET", "/v1/sandboxes");
    await Promise.all(
      sandboxes.map(async ({ id }: Json) => await call("DELETE", `/v1/sandboxes/${id}`)),
    );
  });
  // Guests boot only once the server has said what is due, be it nothing.
  return await until("the node may boot guests", async () => {
    const { node, coldBoots } = await call("GET", "/v1/health");
    return coldBoots === "refused" ? undefined : { name: String(node), call };
  });
}

/** Builds a template, and waits until the server knows of it. */
export async function build(server: FleetServer, agent: FleetAgent, name: string): Promise<Json> {
  const readiness = { kind: "serial", text: "Debian login:", timeoutSeconds: 120 };
  const made = await agent.call("POST", "/v1/templates", { name, machine: MACHINE, readiness });
  if (made.digest === undefined) throw new Error(`${agent.name}: ${JSON.stringify(made)}`);
  return await until(`${name} is known`, async () => {
    const { snapshots } = await server.call("GET", "/v1/snapshots");
    return snapshots.find((one: Json) => one.digest === made.digest);
  });
}

/** Plans the pool of all nodes with this label, and waits until they apply it. */
export async function planPool(server: FleetServer, pool: string): Promise<void> {
  await server.call("POST", "/v1/pools", { name: pool, selector: { pool } });
  const { digest } = await server.call("POST", `/v1/pools/${pool}/plans`, {});
  await server.call("POST", `/v1/pools/${pool}/plans/1/approve`, { digest, atOnce: true });
  await until("all nodes apply the plan", async () => {
    const { applied, nodes } = await server.call("GET", `/v1/pools/${pool}`);
    return applied === nodes.length ? true : undefined;
  });
}
