/**
 * Many sandboxes' lives at once, while the agent and its microVMs are killed at random. Counts
 * what must not happen; used by a test, and in full by the benchmarks.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { readSnapshot } from "../src/store/snapshot-files.ts";
import { ROOT, TEMPLATE } from "./fixtures.ts";
import { agentEnvironment, ask, vmmsIn, type Reply } from "./supervised.ts";

export interface SoakOptions {
  /** Short, because it contains sockets. */
  readonly directory: string;
  readonly lifecycles: number;
  readonly atOnce: number;
  /** The agent is killed after about so many answers, while others are under way. */
  readonly answersPerKill: number;
  /** How likely a running sandbox's microVM is killed in each life. */
  readonly killVm: number;
  readonly random: () => number;
}

export interface SoakResult {
  readonly lives: number;
  readonly agentKills: number;
  readonly vmKills: number;
  /** What must not happen, in words; empty if all is well. */
  readonly violations: readonly string[];
}

/** An agent as a process of its own, which is started again whenever it is not there. */
function superviseAgent(directory: string) {
  const socket = join(directory, "a.sock");
  const env = agentEnvironment(directory);
  const command = [join(ROOT, "packages/cli/bin/evenkeel.js"), "agent"];
  let child: ChildProcess;
  const start = () => {
    child = spawn(process.execPath, command, { env, stdio: "ignore" });
  };
  const up = async () => {
    for (let tries = 0; tries < 600; tries++) {
      if ((await ask(socket, "GET", "/v1/health").catch(() => undefined))?.status === 200) return;
      await sleep(50);
    }
    throw new Error("the agent did not come up");
  };
  const end = (signal: NodeJS.Signals) =>
    new Promise<void>((settle) => {
      child.once("exit", () => settle());
      child.kill(signal);
    });
  return {
    start,
    up,
    end,
    pid: () => child.pid ?? 0,
    ask: (method: string, path: string, body?: object) => ask(socket, method, path, body),
  };
}

type Supervised = ReturnType<typeof superviseAgent>;

interface Soak {
  readonly options: SoakOptions;
  readonly agent: Supervised;
  readonly violations: string[];
  /** Answers to what changes something. */
  answers: number;
  /** Sandboxes whose microVM was killed on purpose. */
  readonly killed: Set<string>;
}

/** Asks until there is an answer, across kills of the agent. */
async function insist(soak: Soak, method: string, path: string, body?: object): Promise<Reply> {
  for (let tries = 0; tries < 50; tries++) {
    try {
      const reply = await soak.agent.ask(method, path, body);
      if (method !== "GET") soak.answers += 1;
      if (reply.status !== 503) return reply;
    } catch {
      await sleep(50);
    }
    await soak.agent.up();
  }
  throw new Error(`no answer to ${method} ${path}`);
}

/** Brings a sandbox into a state by an operation that may be cut short, and asked for again. */
async function bring(soak: Soak, id: string, state: string, path: string, body?: object) {
  for (let tries = 0; tries < 50; tries++) {
    const reply = await insist(soak, "POST", path, body).catch(() => undefined);
    if (reply !== undefined && reply.status < 300) return true;
    const now = await insist(soak, "GET", `/v1/sandboxes/${id}`);
    if (now.body?.state === state) return true;
    if (now.body?.state === "failed") {
      if (soak.killed.has(id)) return false;
      const why = now.body.failure.message as string;
      // Nobody was told that it runs: it may be made anew.
      if (!why.includes("being created")) {
        soak.violations.push(`${id} failed by itself: ${why}`);
        return false;
      }
      await insist(soak, "DELETE", `/v1/sandboxes/${id}`);
    }
  }
  soak.violations.push(`${id} never got ${state}`);
  return false;
}

async function maybeKillVm(soak: Soak, id: string): Promise<void> {
  const { options, killed } = soak;
  if (options.random() >= options.killVm) return;
  const { body } = await insist(soak, "GET", `/v1/sandboxes/${id}`);
  if (body?.pid === undefined || !vmmsIn(options.directory).includes(body.pid)) return;
  killed.add(id);
  process.kill(body.pid, "SIGKILL");
}

async function mustBeThere(soak: Soak, id: string): Promise<void> {
  const { status } = await insist(soak, "GET", `/v1/sandboxes/${id}`);
  if (status !== 200) soak.violations.push(`${id} is lost: ${status}`);
}

async function live(soak: Soak, id: string): Promise<void> {
  const url = `/v1/sandboxes/${id}`;
  const created = await bring(soak, id, "running", "/v1/sandboxes", { id, from: "base" });
  if (created) {
    await mustBeThere(soak, id);
    await maybeKillVm(soak, id);
    const paused = await bring(soak, id, "paused", `${url}/pause`);
    await mustBeThere(soak, id);
    if (paused) await bring(soak, id, "running", `${url}/resume`);
    await mustBeThere(soak, id);
  }
  let last = "";
  for (let tries = 0; tries < 50; tries++) {
    const { status, body } = await insist(soak, "DELETE", url);
    if (status === 204 || status === 404) return;
    last = `${status} ${JSON.stringify(body)}`;
    await sleep(20);
  }
  soak.violations.push(`${id} cannot be deleted: ${last}`);
}

/** What holds at any moment: each is listed once, and each snapshot that has a name is whole. */
async function inspect({ agent, options, violations }: Soak): Promise<void> {
  const { body } = await agent.ask("GET", "/v1/sandboxes");
  const ids = body.sandboxes.map(({ id }: { id: string }) => id);
  if (new Set(ids).size !== ids.length) violations.push(`listed twice: ${ids.join(" ")}`);
  const snapshots = join(options.directory, "d/snapshots");
  for (const name of readdirSync(snapshots).filter((one) => !one.startsWith("."))) {
    const read = await readSnapshot(join(snapshots, name));
    const gone = !readdirSync(snapshots).includes(name);
    if (!read.ok && !gone) violations.push(`snapshot ${name} is not whole: ${read.why}`);
  }
}

async function killAgents(soak: Soak, isDone: () => boolean): Promise<number> {
  const { agent, options } = soak;
  let kills = 0;
  for (;;) {
    const until = soak.answers + options.answersPerKill * (0.5 + options.random());
    while (soak.answers < until && !isDone()) await sleep(10);
    if (isDone()) return kills;
    await sleep(100 * options.random());
    await agent.end("SIGKILL");
    // Nobody writes now: what has a name must be whole.
    agent.start();
    await agent.up();
    await inspect(soak);
    kills += 1;
  }
}

/** What is left when all sandboxes have ended. */
function checkRemains({ options, violations }: Soak): void {
  const { directory } = options;
  const pids = vmmsIn(directory);
  if (pids.length > 0) violations.push(`processes left: ${pids.join(" ")}`);
  for (const [place, expected] of [
    ["vms", ""],
    ["sandboxes", ""],
    ["snapshots", "base"],
  ] as const) {
    const left = readdirSync(join(directory, "d", place)).join(" ");
    if (left !== expected) violations.push(`left in ${place}: ${left}`);
  }
}

/** The build must be done: agent and doubles are processes of their own. */
export async function runSoak(options: SoakOptions): Promise<SoakResult> {
  const agent = superviseAgent(options.directory);
  const soak: Soak = { options, agent, violations: [], answers: 0, killed: new Set() };
  agent.start();
  try {
    await agent.up();
    const built = await agent.ask("POST", "/v1/templates", TEMPLATE);
    if (built.status !== 201) throw new Error(JSON.stringify(built.body));
    let [next, running] = [0, options.atOnce];
    const worker = async () => {
      while (next < options.lifecycles) {
        next += 1;
        await live(soak, `s${next}`);
      }
      running -= 1;
    };
    const kills = killAgents(soak, () => running === 0);
    await Promise.all(Array.from({ length: options.atOnce }, worker));
    const agentKills = await kills;
    await inspect(soak);
    checkRemains(soak);
    const { violations, killed } = soak;
    return { lives: options.lifecycles, agentKills, vmKills: killed.size, violations };
  } finally {
    await agent.end("SIGTERM");
    for (const pid of vmmsIn(options.directory)) process.kill(pid, "SIGKILL");
  }
}
