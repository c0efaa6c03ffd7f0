/** What the agent itself costs: on resumes, in memory, and while it moves a guest's memory. */
import { spawn } from "node:child_process";
import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { createAgent, listen, parseAddress } from "@evenkeel/agent";
import { installDouble } from "@evenkeel/firecracker-double";
import {
  createFirecrackerDriver,
  startTimeOf,
  type LoadSpec,
  type MicroVm,
  type VmmDriver,
} from "@evenkeel/host";
import {
  ICE_LAKE,
  loadProfile,
  makeImages,
  MACHINE,
  TEMPLATE,
  VERSION,
} from "../packages/agent/test/fixtures.ts";
import { median } from "./measure.ts";

export interface Bench {
  readonly call: (method: string, path: string, body?: object) => Promise<unknown>;
  readonly socket: string;
  /** The agent's data directory. */
  readonly data: string;
}

function caller(socketPath: string): Bench["call"] {
  return (method, path, body) =>
    new Promise((settle, reject) => {
      const headers = { "content-type": "application/json" };
      const sent = request({ socketPath, method, path, headers }, (response) => {
        let text = "";
        response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
        response.once("end", () => {
          const status = response.statusCode ?? 0;
          if (status < 300) settle(text === "" ? undefined : JSON.parse(text));
          else reject(new Error(`${method} ${path}: ${status} ${text}`));
        });
      });
      sent.once("error", reject);
      sent.end(body === undefined ? undefined : JSON.stringify(body));
    });
}

/** Runs with an agent that listens on a socket, and removes everything after. */
export async function withAgent<T>(
  driverOf: (directory: string) => VmmDriver,
  run: (bench: Bench) => Promise<T>,
): Promise<T> {
  const directory = realpathSync(mkdtempSync(join(tmpdir(), "ekb-")));
  const socket = join(directory, "a.sock");
  const agent = await createAgent({
    driver: driverOf(directory),
    profile: loadProfile(ICE_LAKE),
    directory: join(directory, "d"),
    ...makeImages(directory),
  });
  try {
    await listen(agent, parseAddress(socket));
    return await run({ call: caller(socket), socket, data: join(directory, "d") });
  } finally {
    await agent.close();
    rmSync(directory, { recursive: true, force: true });
  }
}

export function onDouble(directory: string): VmmDriver {
  const { path } = installDouble(join(directory, "fc"), { version: VERSION });
  return createFirecrackerDriver({ binary: path, version: VERSION });
}

/** A microVM that is loaded at once, so that what is measured is the agent alone. */
function loadedAtOnce({ directory }: LoadSpec, resumed: () => void): MicroVm {
  const { pid } = process;
  return {
    record: { directory, pid, startTime: startTimeOf(pid) ?? "" },
    console: join(directory, "console.log"),
    exited: new Promise(() => undefined),
    pause: async () => undefined,
    resume: async () => resumed(),
    snapshot: async () => undefined,
    kill: async () => undefined,
  };
}

export interface ResumeFigures {
  /** Milliseconds; the tenth that is quickest tells what others on a busy machine do not change. */
  readonly median: number;
  readonly quickest: number;
}

/** The agent's own milliseconds from a request over its socket until it lets the guest run. */
export function measureResume(times: number): Promise<ResumeFigures> {
  let until = 0;
  const driverOf = (directory: string): VmmDriver => ({
    ...onDouble(directory),
    load: async (spec) => loadedAtOnce(spec, () => (until = performance.now())),
  });
  return withAgent(driverOf, async ({ call }) => {
    await call("POST", "/v1/templates", TEMPLATE);
    const figures: number[] = [];
    for (let i = 0; i < times; i++) {
      const start = performance.now();
      await call("POST", "/v1/sandboxes", { id: `s${i}`, from: "base" });
      figures.push(until - start);
      await call("DELETE", `/v1/sandboxes/s${i}`);
    }
    const sorted = figures.toSorted((a, b) => a - b);
    return { median: median(figures), quickest: sorted[Math.floor(times / 10)] ?? Infinity };
  });
}

export interface LoopFigures {
  /** Milliseconds, the longest; on a busy machine also what other processes took. */
  readonly delay: number;
  /** The same over as long a time in which the agent had nothing to do. */
  readonly idle: number;
  /** Milliseconds of processor time, all threads, that the longest delay may have had. */
  readonly cpu: number;
  /** Seconds for all of it. */
  readonly seconds: number;
}

const RESOLUTION = 5;

/** The most processor time that this process used between two ticks of its event loop. */
function watchTicks(): () => number {
  let [most, before] = [0, process.cpuUsage()];
  const timer = setInterval(() => {
    const { user, system } = process.cpuUsage(before);
    most = Math.max(most, (user + system) / 1000);
    before = process.cpuUsage();
  }, RESOLUTION);
  return () => {
    clearInterval(timer);
    return most;
  };
}

/** Exports a snapshot and imports it again, through processes of their own. */
async function copyOver(socket: string): Promise<void> {
  const script =
    'curl -sSf --unix-socket "$0" http://a/v1/snapshots/base/export | curl -sSf --unix-socket "$0" ' +
    'http://a/v1/snapshots/copy -T - -H "content-type: application/x-tar" >/dev/null';
  const code = await new Promise((settle) => {
    spawn("sh", ["-c", script, socket], { stdio: "inherit" }).once("exit", settle);
  });
  if (code !== 0) throw new Error("the snapshot was not moved");
}

/** How long the event loop is held up while a guest's memory is copied through the agent. */
export function measureLoop(memoryMib: number): Promise<LoopFigures> {
  return withAgent(onDouble, async ({ call, socket }) => {
    await call("POST", "/v1/templates", { ...TEMPLATE, machine: { ...MACHINE, memoryMib } });
    const histogram = monitorEventLoopDelay({ resolution: RESOLUTION });
    const start = performance.now();
    histogram.enable();
    const stop = watchTicks();
    await copyOver(socket);
    await call("POST", "/v1/sandboxes", { id: "one", from: "copy" });
    await call("POST", "/v1/sandboxes/one/pause");
    histogram.disable();
    const cpu = stop();
    await call("DELETE", "/v1/sandboxes/one");
    const delay = histogram.max / 1e6 - RESOLUTION;
    const seconds = (performance.now() - start) / 1000;
    histogram.reset();
    histogram.enable();
    await sleep(seconds * 1000);
    histogram.disable();
    // The histogram counts from one tick to the next, whose own length is no delay.
    return { delay, idle: histogram.max / 1e6 - RESOLUTION, cpu, seconds };
  });
}
