/** What a guest that prints without end costs the agent, and who calls it meanwhile. */
import { spawn } from "node:child_process";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { MACHINE } from "../packages/agent/test/fixtures.ts";
import { onDouble, withAgent } from "./agent.ts";

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

const MIB = 1024 * 1024;
const EVERY_MS = 50;
/** A line that looks for a crash at each turn. */
const LINE = "traps: x[1] trap invalid opcode ip:1 sp:1 error:0 in x[1+1] ".repeat(4);

function writtenBy(pid: number | undefined): number {
  return Number(/^wchar: (\d+)$/m.exec(readFileSync(`/proc/${pid}/io`, "utf8"))?.[1] ?? 0);
}

/** `seconds` of calls, once without and once with a flood. */
export function measureFlood(seconds: number): Promise<FloodFigures> {
  return withAgent(onDouble, async ({ call, data }) => {
    await call("POST", "/v1/sandboxes", { id: "one", machine: MACHINE });
    const console = join(data, "vms/one/console.log");
    let largest = 0;
    const calls = async () => {
      const before = process.cpuUsage();
      const start = performance.now();
      let longest = 0;
      while (performance.now() - start < seconds * 1000) {
        const asked = performance.now();
        await call("GET", "/v1/sandboxes");
        longest = Math.max(longest, performance.now() - asked);
        largest = Math.max(largest, statSync(console).size);
        await sleep(EVERY_MS);
      }
      const { user, system } = process.cpuUsage(before);
      return { longest, percent: (user + system) / 10 / (performance.now() - start) };
    };
    const quiet = await calls();
    const guest = spawn("sh", ["-c", 'exec yes "$1" >> "$0"', console, LINE], { stdio: "ignore" });
    await sleep(500);
    const flooded = await calls();
    const mibPerSecond = writtenBy(guest.pid) / MIB / (seconds + 0.5);
    guest.kill("SIGKILL");
    await call("DELETE", "/v1/sandboxes/one");
    return {
      cpuPercent: flooded.percent - quiet.percent,
      longest: flooded.longest,
      quiet: quiet.longest,
      largestMib: largest / MIB,
      mibPerSecond,
    };
  });
}
