/** A server and agents as real processes, as an operator starts them. */
import { spawn, type ChildProcess } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { installDouble } from "@evenkeel/firecracker-double";
import { onTestFinished } from "vitest";
import { callFleet, fetchCa } from "../src/fleet/call.ts";
import type { FleetContext } from "../src/fleet/contexts.ts";
import { callSocket, until as patiently } from "../../../scripts/fleet-processes.ts";
import { ROOT } from "./run.ts";

export { freePort } from "../../../scripts/fleet-processes.ts";

const BIN = join(ROOT, "packages/cli/bin/evenkeel.js");

/** PGlite makes a database in ten seconds of CPU, which a loaded machine takes minutes to give. */
const PATIENCE_MS = 400_000;

export async function until<T>(
  what: string,
  ask: () => Promise<T | undefined>,
  patience = PATIENCE_MS,
): Promise<T> {
  return await patiently(what, ask, patience);
}

interface Running {
  readonly child: ChildProcess;
  readonly log: () => string;
  /** Settles once it has ended. */
  readonly end: (signal: NodeJS.Signals) => Promise<void>;
}

function start(args: readonly string[], env: Readonly<Record<string, string>> = {}): Running {
  const child = spawn(process.execPath, [BIN, ...args], {
    cwd: ROOT,
    env: { ...process.env, ...env },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let log = "";
  child.stderr?.on("data", (part: Buffer) => {
    log += part.toString("utf8");
  });
  const gone = new Promise<void>((settle) => child.once("exit", () => settle()));
  const end = async (signal: NodeJS.Signals) => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal);
    await gone;
  };
  onTestFinished(async () => await end("SIGKILL"));
  return { child, log: () => log, end };
}

async function listening({ child, log }: Running): Promise<void> {
  const ended = () => child.exitCode !== null || child.signalCode !== null;
  await until("it listens", async () =>
    ended() || log().includes("listens on") ? true : undefined,
  );
  if (ended()) throw new Error(`it ended: ${log()}`);
}

export interface TestServer {
  readonly directory: string;
  readonly url: string;
  /** Kills it as a crash would, and starts another on the same store. */
  readonly crash: () => Promise<void>;
  readonly kill: () => Promise<void>;
  readonly start: () => Promise<void>;
  readonly pid: () => number;
}

export async function startServer(
  directory: string,
  port: number,
  databaseUrl: string | undefined,
): Promise<TestServer> {
  const args = ["serve", "--data-dir", directory, "--listen", `127.0.0.1:${port}`];
  const env = databaseUrl === undefined ? {} : { EVENKEEL_DATABASE_URL: databaseUrl };
  let running: Running | undefined;
  const begin = async () => {
    running = start([...args, "--log-level", "warn"], env);
    await listening(running);
  };
  const kill = async () => await running?.end("SIGKILL");
  await begin();
  return {
    directory,
    url: `https://127.0.0.1:${port}`,
    kill,
    start: begin,
    pid: () => running?.child.pid ?? 0,
    crash: async () => {
      await kill();
      await begin();
    },
  };
}

export async function contextFor({ directory, url }: TestServer): Promise<FleetContext> {
  const token = readFileSync(join(directory, "operator.token"), "utf8").trim();
  return { server: url, ca: (await fetchCa(url)).pem, token };
}

// oxlint-disable-next-line typescript/no-explicit-any -- bodies are looked into by tests
export type Json = any;

export function operatorOf(context: FleetContext) {
  return async (
    method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE",
    path: string,
    body?: unknown,
    secret = false,
  ): Promise<Json> => await callFleet(context, method, path, body, { secret });
}

export type Operator = ReturnType<typeof operatorOf>;

export interface TestAgent {
  readonly name: string;
  readonly directory: string;
  /** Calls the agent's own API. */
  readonly call: (method: "GET" | "POST" | "DELETE", path: string, body?: unknown) => Promise<Json>;
  readonly crash: () => Promise<void>;
  readonly stop: () => Promise<void>;
  readonly log: () => string;
}

interface AgentSetup {
  readonly directory: string;
  readonly profile: string;
  readonly server: string;
  readonly token: string;
  /** Guests die of what the profile lacks; otherwise nothing looks at their CPU. */
  readonly dies?: boolean;
}

function listOf(words: string): string[] {
  return words.split(" ");
}

function flags(values: Readonly<Record<string, string>>): string[] {
  return Object.entries(values).flatMap(([name, value]) => [`--${name}`, value]);
}

/** An agent on a double of Firecracker; it joins with the token. */
export async function startAgent(setup: AgentSetup): Promise<TestAgent> {
  const { directory, profile, server, token, dies = false } = setup;
  const [fc, kernels, images] = ["fc", "k", "i"].map((name) => join(directory, name));
  if (fc === undefined || kernels === undefined || images === undefined) throw new Error("three");
  const console = ["Debian login:"];
  const judged = dies ? { profile: resolve(ROOT, profile) } : {};
  installDouble(fc, { version: "1.14.1", console, ...judged });
  mkdirSync(join(kernels, "6.1"), { recursive: true });
  writeFileSync(join(kernels, "6.1/vmlinux.bin"), "");
  mkdirSync(images, { recursive: true });
  writeFileSync(join(images, "rootfs"), "disk");
  const socket = join(directory, "a.sock");
  const args = [
    ...listOf("agent --foreign-profile --isolation none --log-level warn --max-memory-mib 4096"),
    ...flags({
      profile,
      "versions-dir": fc,
      "kernels-dir": kernels,
      "images-dir": images,
      "data-dir": join(directory, "d"),
      listen: socket,
      server,
      join: token,
    }),
  ];
  let running = start(args);
  await listening(running);
  const call = callSocket(socket);
  const { node } = await call("GET", "/v1/health");
  return {
    name: String(node),
    directory,
    call,
    log: () => running.log(),
    stop: async () => await running.end("SIGTERM"),
    crash: async () => {
      await running.end("SIGKILL");
      running = start(args);
      await listening(running);
    },
  };
}

/** What a template of the double is made of. */
export const MACHINE = {
  kernel: "6.1",
  vcpus: 1,
  memoryMib: 128,
  disks: [{ id: "rootfs", image: "rootfs", root: true }],
};
