/**
 * Sandboxes and snapshots are made, paused, resumed, copied and deleted, while the agent is killed
 * at random moments, comes back in another PID namespace, and its disk fills up. What was
 * acknowledged must stay so.
 */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { METADATA_FILE } from "../src/store/manifest.ts";
import { readSnapshot } from "../src/store/snapshot-files.ts";
import { chaosAgent, type ChaosAgent } from "./chaos-agent.ts";
import { TEMPLATE } from "./fixtures.ts";
import { vmmsIn, type Reply } from "./supervised.ts";
import { randomFrom } from "./random.ts";

export interface ChaosOptions {
  /** Short, because it contains sockets. */
  readonly directory: string;
  readonly kills: number;
  readonly atOnce: number;
  readonly diskMib: number;
  readonly seed: number;
  /** Told how far it is, now and then. */
  readonly progress?: (text: string) => void;
}

export interface ChaosResult {
  readonly seed: number;
  readonly kills: number;
  readonly vmKills: number;
  readonly fills: number;
  /** What was acknowledged, by kind. */
  readonly done: Readonly<Record<string, number>>;
  /** What must not happen, in words; empty if all is well. */
  readonly violations: readonly string[];
}

interface Chaos {
  readonly options: ChaosOptions;
  readonly agent: ChaosAgent;
  readonly random: () => number;
  readonly violations: string[];
  readonly done: Record<string, number>;
  readonly killed: Set<string>;
  /** What can only go on in the other namespace. */
  readonly outOfReach: Set<string>;
  over: boolean;
}

const PAUSE_MS = 80;

/** A list that tells of what is put into it: a run takes long. */
function toldAtOnce({ progress }: ChaosOptions): string[] {
  const list: string[] = [];
  list.push = (...more) => {
    for (const one of more) progress?.(one);
    return Array.prototype.push.apply(list, more);
  };
  return list;
}

/** Asks until there is an answer that is not about the moment: a kill, a full disk, a namespace. */
async function insist(chaos: Chaos, method: string, path: string, body?: object): Promise<Reply> {
  for (let tries = 0; tries < 3000; tries++) {
    const reply = await chaos.agent.ask(method, path, body).catch(() => undefined);
    if (reply !== undefined) return reply;
    await sleep(PAUSE_MS);
  }
  throw new Error(`no answer to ${method} ${path}`);
}

const MOMENTARY = new Set([
  "OUT_OF_REACH",
  "DISK_FULL",
  "BUSY",
  "STOPPING",
  "VMM_FAILED",
  "NODE_FULL",
]);

type Judge = (reply: Reply) => "done" | "again" | undefined;

/** How often an answer is taken that is not about the moment, and how long anything may take. */
const TRIES = 50;
const PATIENCE_MS = 600_000;

/** Brings something about, however often it is cut short; what was acknowledged is counted. */
async function bring(
  chaos: Chaos,
  what: string,
  act: () => Promise<Reply | undefined>,
  is: Judge,
  look: string,
) {
  const { done, outOfReach, random, violations } = chaos;
  const until = performance.now() + PATIENCE_MS;
  let last: Reply | undefined;
  for (let tries = 0; tries < TRIES && performance.now() < until;) {
    const reply = await act();
    last = reply ?? last;
    if (reply !== undefined && reply.status < 300) {
      outOfReach.delete(look);
      done[what] = (done[what] ?? 0) + 1;
      return true;
    }
    const code = reply?.body?.error?.code as string | undefined;
    const judged = is(await insist(chaos, "GET", look));
    if (judged === "again" && code === "OUT_OF_REACH") outOfReach.add(look);
    else outOfReach.delete(look);
    if (judged === "done") return true;
    if (judged === undefined) return false;
    if (code !== undefined && !MOMENTARY.has(code)) tries += 1;
    await sleep(PAUSE_MS * (1 + 4 * random()));
  }
  const why = `${last?.body?.error?.code} ${last?.body?.error?.message}`;
  violations.push(`${what} of ${look} was never done: ${why}`);
  return false;
}

/** What a sandbox must be; one whose VMM was killed on purpose may have failed. */
function sandboxIs(chaos: Chaos, id: string, goal: string, from: readonly string[]): Judge {
  return ({ status, body }) => {
    if (status === 200 && body.state === goal) return "done";
    if (status === 404 && from.includes("none")) return "again";
    if (status === 200 && from.includes(body.state)) return "again";
    if (status === 200 && body.state === "failed" && chaos.killed.has(id)) return undefined;
    const unborn = status === 200 && body.state === "failed" && from.includes("none");
    if (unborn && String(body.failure?.message).includes("being created")) return "again";
    if (status === 200 && String(body.state).endsWith("ing")) return "again";
    chaos.violations.push(
      `${id}: ${status} ${body.state ?? ""} ${body.failure?.message ?? ""}, not ${goal}`,
    );
    return undefined;
  };
}

async function expectSandbox(chaos: Chaos, id: string, state: string): Promise<void> {
  const { status, body } = await insist(chaos, "GET", `/v1/sandboxes/${id}`);
  if (status === 200 && (body.state === state || chaos.killed.has(id))) return;
  chaos.violations.push(
    `${id} was acknowledged as ${state}, and is ${status} ${body?.state ?? ""}`,
  );
}

async function deleteAll(chaos: Chaos, path: string): Promise<void> {
  const gone: Judge = ({ status }) => (status === 404 ? "done" : "again");
  const act = () => chaos.agent.ask("DELETE", path).catch(() => undefined);
  await bring(chaos, "delete", act, gone, path);
  const { status } = await insist(chaos, "GET", path);
  if (status !== 404) chaos.violations.push(`${path} was deleted, and is there: ${status}`);
}

async function maybeKillVm(chaos: Chaos, id: string): Promise<void> {
  if (chaos.random() >= 0.1) return;
  const cwd = join(chaos.options.directory, "x/d/vms", id);
  for (const pid of vmmsIn(cwd, "")) {
    chaos.killed.add(id);
    process.kill(pid, "SIGKILL");
  }
}

/** One sandbox, from its creation to its end, with copies of its snapshot. */
async function live(chaos: Chaos, id: string): Promise<void> {
  const { agent } = chaos;
  const url = `/v1/sandboxes/${id}`;
  const post =
    (path: string, body = {}) =>
    () =>
      agent.ask("POST", path, body).catch(() => undefined);
  const create = async () => {
    const now = await insist(chaos, "GET", url);
    if (now.body?.state === "failed") await agent.ask("DELETE", url).catch(() => undefined);
    return post("/v1/sandboxes", { id, from: "base" })();
  };
  const running = await bring(
    chaos,
    "create",
    create,
    sandboxIs(chaos, id, "running", ["none"]),
    url,
  );
  if (running) {
    await expectSandbox(chaos, id, "running");
    await maybeKillVm(chaos, id);
    const paused = await bring(
      chaos,
      "pause",
      post(`${url}/pause`),
      sandboxIs(chaos, id, "paused", ["running"]),
      url,
    );
    if (paused) {
      await expectSandbox(chaos, id, "paused");
      await copyOut(chaos, id);
      const on = await bring(
        chaos,
        "resume",
        post(`${url}/resume`),
        sandboxIs(chaos, id, "running", ["paused"]),
        url,
      );
      if (on) await expectSandbox(chaos, id, "running");
    }
  }
  await deleteAll(chaos, url);
}

async function copyOut(chaos: Chaos, id: string): Promise<void> {
  if (chaos.random() < 0.4) return;
  const { body } = await insist(chaos, "GET", `/v1/sandboxes/${id}`);
  const copy = `copy-${id}`;
  const url = `/v1/snapshots/${copy}`;
  for (let tries = 0; tries < 40; tries++) {
    const copied = await chaos.agent.copy(String(body.snapshot), copy);
    const { status } = await insist(chaos, "GET", url);
    if (copied && status !== 200) chaos.violations.push(`${copy} was imported, and is not there`);
    if (status === 200) {
      chaos.done["import"] = (chaos.done["import"] ?? 0) + 1;
      break;
    }
    await sleep(PAUSE_MS);
  }
  await deleteAll(chaos, url);
}

/** What holds while no agent runs: what has a name is whole, and no disk has two VMMs. */
async function inspect({ options, violations }: Chaos): Promise<void> {
  const data = join(options.directory, "x/d");
  const snapshots = join(data, "snapshots");
  for (const name of readdirSync(snapshots).filter((one) => !one.startsWith("."))) {
    if (!readdirSync(join(snapshots, name)).includes(METADATA_FILE)) continue;
    const read = await readSnapshot(join(snapshots, name));
    if (!read.ok) violations.push(`snapshot ${name} is not whole: ${read.why}`);
  }
  for (const id of readdirSync(join(data, "vms"))) {
    const pids = vmmsIn(join(data, "vms", id), "");
    if (pids.length > 1) violations.push(`${id} has ${pids.length} VMMs`);
  }
}

/** Lets some be acknowledged before the next kill, so that there is what can be undone. */
async function underWay({ done, random, outOfReach, options }: Chaos): Promise<void> {
  const count = () => Object.values(done).reduce((sum, n) => sum + n, 0);
  const enough = count() + Math.floor(4 * random());
  for (let waited = 0; waited < 8000 && count() < enough; waited += 50) {
    await sleep(50);
    if (outOfReach.size >= options.atOnce) return;
  }
}

async function killAgain(chaos: Chaos): Promise<{ kills: number; fills: number }> {
  const { agent, random, options } = chaos;
  let [kills, fills] = [0, 0];
  for (; kills < options.kills; kills++) {
    const full = random() < 0.25;
    if (full) {
      agent.fill();
      fills += 1;
    }
    await underWay(chaos);
    await sleep(600 * random());
    if (random() < 0.5) agent.drain();
    await agent.kill();
    await inspect(chaos);
    chaos.outOfReach.clear();
    await agent.start(random() < 0.4);
    agent.drain();
    if (kills % 10 === 9)
      options.progress?.(
        `${kills + 1} kills, ${JSON.stringify(chaos.done)}, ${chaos.violations.length} violations`,
      );
  }
  chaos.over = true;
  // The rest is done where every VMM can be seen.
  await agent.kill();
  await agent.start(false);
  return { kills, fills };
}

function checkRemains({ options, violations }: Chaos): void {
  const data = join(options.directory, "x/d");
  const pids = vmmsIn(join(data, "vms"), "");
  if (pids.length > 0) violations.push(`processes left: ${pids.join(" ")}`);
  for (const [place, expected] of [
    ["vms", ""],
    ["sandboxes", ""],
    ["snapshots", "base"],
  ] as const) {
    const left = readdirSync(join(data, place)).join(" ");
    if (left !== expected) violations.push(`left in ${place}: ${left}`);
  }
}

/** The build must be done, and this be root: agent and doubles are processes of their own. */
export async function runChaos(options: ChaosOptions): Promise<ChaosResult> {
  const agent = await chaosAgent(options.directory, options.diskMib);
  const chaos: Chaos = {
    options,
    agent,
    random: randomFrom(options.seed),
    violations: toldAtOnce(options),
    done: {},
    killed: new Set(),
    outOfReach: new Set(),
    over: false,
  };
  try {
    await agent.start(false);
    const built = await agent.ask("POST", "/v1/templates", TEMPLATE);
    if (built.status !== 201) throw new Error(JSON.stringify(built.body));
    let next = 0;
    const worker = async () => {
      while (!chaos.over) await live(chaos, `s${++next}`);
    };
    const killing = killAgain(chaos);
    await Promise.all([killing, ...Array.from({ length: options.atOnce }, worker)]);
    const { kills, fills } = await killing;
    await inspect(chaos);
    checkRemains(chaos);
    const { violations, killed, done } = chaos;
    return { seed: options.seed, kills, vmKills: killed.size, fills, done, violations };
  } finally {
    chaos.over = true;
    for (const pid of vmmsIn(join(options.directory, "x/d/vms"), "")) process.kill(pid, "SIGKILL");
    await agent.end();
  }
}
