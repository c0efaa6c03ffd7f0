/**
 * What isolation adds to a resume, on a real Firecracker with its jailer beside it: run as root with
 * EVENKEEL_FIRECRACKER. Not part of `npm run bench`, which needs neither.
 */
import { mkdirSync, mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createAgent } from "@evenkeel/agent";
import { writeTinyKernel } from "@evenkeel/firecracker-double";
import { checkNode, createFirecrackerDriver, type CellPool, type VmmDriver } from "@evenkeel/host";
import { ICE_LAKE, loadProfile, makeImages, VERSION } from "../packages/agent/test/fixtures.ts";
import { median } from "./measure.ts";

const BINARY = process.env["EVENKEEL_FIRECRACKER"] ?? "";
const TIMES = Number(process.argv[2] ?? 60);
/** Milliseconds between two: the next slot is made in them. */
const PAUSE = Number(process.argv[3] ?? 500);

interface Times {
  /** Milliseconds from the request until the guest may run. */
  readonly whole: number;
  /** Of these in the driver: jailer, Firecracker's start, loading. */
  readonly driver: number;
  /** Processor time of all threads in the rest, which a busy machine does not change much. */
  readonly cpu: number;
}

function cpuNow(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

interface Now {
  driver: number;
  until: number;
  cpu: number;
}

function timed(driver: VmmDriver, now: Now): VmmDriver {
  return {
    ...driver,
    load: async (spec) => {
      const start = performance.now();
      const cpu = cpuNow();
      const vm = await driver.load(spec);
      now.driver = performance.now() - start;
      const inDriver = cpuNow() - cpu;
      const resume = () => {
        now.until = performance.now();
        now.cpu = cpuNow() - inDriver;
        return vm.resume();
      };
      return { ...vm, resume };
    },
  };
}

async function cellsIn(directory: string): Promise<CellPool> {
  const isolation = await checkNode({
    directory,
    vmm: "firecracker",
    binary: BINARY,
    network: { pool: "10.214.0.0/16", open: [] },
    egress: { default: "allow", dns: false, rules: [] },
    ahead: 4,
    report: (what, why) => process.stderr.write(`${what}: ${String(why)}\n`),
  });
  for (const note of isolation.notes) process.stderr.write(`${note}\n`);
  return isolation.open();
}

async function measure(isolated: boolean): Promise<Times[]> {
  const directory = realpathSync(mkdtempSync(join(tmpdir(), "eki-")));
  const images = makeImages(directory);
  writeTinyKernel(join(images.kernelsDir, "6.1/vmlinux.bin"));
  const data = join(directory, "d");
  mkdirSync(data);
  const now: Now = { driver: 0, until: 0, cpu: 0 };
  const agent = await createAgent({
    driver: timed(createFirecrackerDriver({ binary: BINARY, version: VERSION }), now),
    profile: loadProfile(ICE_LAKE),
    directory: data,
    ...images,
    ...(isolated ? { openCells: () => cellsIn(data) } : {}),
  });
  const call = async (method: "POST" | "DELETE", url: string, payload?: object) => {
    const body = payload === undefined ? {} : { payload };
    const { statusCode, body: text } = await agent.app.inject({ method, url, ...body });
    if (statusCode >= 300) throw new Error(`${method} ${url}: ${text}`);
  };
  const figures: Times[] = [];
  try {
    await call("POST", "/v1/templates", {
      name: "base",
      machine: { kernel: "6.1", memoryMib: 16, network: isolated },
      readiness: { kind: "delay", milliseconds: 200 },
    });
    for (let i = 0; i < TIMES; i++) {
      // Time for the next slot to be made: sandboxes are not asked for back to back.
      await sleep(PAUSE);
      const start = performance.now();
      const cpu = cpuNow();
      await call("POST", "/v1/sandboxes", { id: `s${i}`, from: "base" });
      figures.push({ whole: now.until - start, driver: now.driver, cpu: now.cpu - cpu });
      await call("DELETE", `/v1/sandboxes/s${i}`);
    }
  } finally {
    await agent.close();
    rmSync(directory, { recursive: true, force: true });
  }
  return figures;
}

function line(name: string, figures: readonly Times[]): string {
  const of = (pick: (times: Times) => number) => median(figures.map(pick)).toFixed(1);
  const own = of(({ whole, driver }) => whole - driver);
  const whole = of((times) => times.whole);
  return `${name}: request to running ${whole} ms, agent alone ${own} ms (CPU ${of(({ cpu }) => cpu)} ms), driver ${of(({ driver }) => driver)} ms\n`;
}

process.stdout.write(line("not isolated", await measure(false)));
process.stdout.write(line("isolated", await measure(true)));
