/** What a guest that prints without end costs the agent, and who calls it meanwhile. */
import { spawn, type ChildProcess } from "node:child_process";
import { mkdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { writeFloodingKernel } from "@evenkeel/firecracker-double";
import { createFirecrackerDriver } from "@evenkeel/host";
import { MACHINE, VERSION } from "../packages/agent/test/fixtures.ts";
import { onDouble, withAgent, type Bench } from "./agent.ts";

export interface FloodFigures {
  /** Of one core, beyond what the same calls cost while nothing is printed. */
  readonly cpuPercent: number;
  /** Milliseconds of the longest call. */
  readonly longest: number;
  /** The same while nothing is printed. */
  readonly quiet: number;
  readonly largestMib: number;
  readonly mibPerSecond: number;
}

export interface RunawayFigures {
  /** Milliseconds from the first byte until the sandbox has failed. */
  readonly endedAfter: number;
  readonly writtenMib: number;
}

const MIB = 1024 * 1024;
const EVERY_MS = 50;
/** A line that looks for a crash at each turn. */
const LINE = "traps: x[1] trap invalid opcode ip:1 sp:1 error:0 in x[1+1] ".repeat(4);

/** Bytes that a process has written to whatever it may be. */
function writtenBy(pid: number | undefined): number {
  return Number(/^wchar: (\d+)$/m.exec(readFileSync(`/proc/${pid}/io`, "utf8"))?.[1] ?? 0);
}

/** Calls for some seconds: what they and all else that the agent does take of a core. */
async function calls({ call }: Bench, console: string, seconds: number) {
  const before = process.cpuUsage();
  const start = performance.now();
  let [longest, largest] = [0, 0];
  while (performance.now() - start < seconds * 1000) {
    const asked = performance.now();
    await call("GET", "/v1/sandboxes");
    longest = Math.max(longest, performance.now() - asked);
    largest = Math.max(largest, statSync(console, { throwIfNoEntry: false })?.size ?? 0);
    await sleep(EVERY_MS);
  }
  const { user, system } = process.cpuUsage(before);
  return { longest, largest, percent: (user + system) / 10 / (performance.now() - start) };
}

async function bothWays(
  bench: Bench,
  seconds: number,
  flood: () => Promise<{ written: () => number; end: () => Promise<unknown> }>,
): Promise<FloodFigures> {
  const console = join(bench.data, "vms/one/console.log");
  const quiet = await calls(bench, console, seconds);
  const { written, end } = await flood();
  await sleep(500);
  const before = written();
  const start = performance.now();
  const flooded = await calls(bench, console, seconds);
  const mib = (written() - before) / MIB;
  const mibPerSecond = (mib * 1000) / (performance.now() - start);
  await end();
  return {
    cpuPercent: flooded.percent - quiet.percent,
    longest: flooded.longest,
    quiet: quiet.longest,
    largestMib: flooded.largest / MIB,
    mibPerSecond,
  };
}

/** Appends this many MiB per second to a file, until it is killed. */
function writer(path: string, mibPerSecond: number): ChildProcess {
  const script =
    'const fs = require("node:fs"), [path, line, rate] = process.argv.slice(1);' +
    'const fd = fs.openSync(path, "a"), start = performance.now(); let written = 0;' +
    'const text = Buffer.from((line + "\\n").repeat(512));' +
    "setInterval(() => { while (written < (performance.now() - start) * rate * 1048.576)" +
    " written += fs.writeSync(fd, text); }, 5);";
  const args = ["-e", script, path, LINE, String(mibPerSecond)];
  return spawn(process.execPath, args, { stdio: "ignore" });
}

/** A sandbox whose console grows at a speed that no serial port has, and that is let pass just so. */
export function measureFlood(seconds: number, mibPerSecond: number): Promise<FloodFigures> {
  return withAgent(onDouble, async (bench) => {
    await bench.call("POST", "/v1/sandboxes", { id: "one", machine: MACHINE });
    const figures = await bothWays(bench, seconds, async () => {
      const child = writer(join(bench.data, "vms/one/console.log"), mibPerSecond);
      return {
        written: () => writtenBy(child.pid),
        end: () => Promise.resolve(child.kill("SIGKILL")),
      };
    });
    await bench.call("DELETE", "/v1/sandboxes/one");
    return figures;
  });
}

/** A guest on a real Firecracker that does nothing but print. */
export function measureRealFlood(binary: string, seconds: number): Promise<FloodFigures> {
  const driverOf = () => createFirecrackerDriver({ binary, version: VERSION });
  return withAgent(driverOf, async (bench) => {
    const kernels = join(bench.data, "../kernels/flood");
    mkdirSync(kernels);
    writeFloodingKernel(join(kernels, "vmlinux.bin"), LINE);
    await bench.call("POST", "/v1/sandboxes", { id: "two", machine: MACHINE });
    const figures = await bothWays(bench, seconds, async () => {
      const machine = { ...MACHINE, kernel: "flood" };
      await bench.call("POST", "/v1/sandboxes", { id: "one", machine });
      const record = readFileSync(join(bench.data, "sandboxes/one.json"), "utf8");
      const { vm } = JSON.parse(record) as { vm: { pid: number } };
      return {
        written: () => writtenBy(vm.pid),
        end: () => bench.call("DELETE", "/v1/sandboxes/one"),
      };
    });
    await bench.call("DELETE", "/v1/sandboxes/two");
    return figures;
  });
}

/** A VMM that writes to its console as fast as a core can. */
export function measureRunaway(): Promise<RunawayFigures> {
  return withAgent(onDouble, async ({ call, data }) => {
    await call("POST", "/v1/sandboxes", { id: "one", machine: MACHINE });
    const console = join(data, "vms/one/console.log");
    const start = performance.now();
    const child = spawn("sh", ["-c", 'exec yes "$1" >> "$0"', console, LINE], { stdio: "ignore" });
    try {
      for (;;) {
        const { state } = (await call("GET", "/v1/sandboxes/one")) as { state: string };
        const endedAfter = performance.now() - start;
        if (state === "failed") return { endedAfter, writtenMib: writtenBy(child.pid) / MIB };
        await sleep(5);
      }
    } finally {
      child.kill("SIGKILL");
    }
  });
}
