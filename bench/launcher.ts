/** Times how long a launcher delays the API's socket, against the Firecracker it starts. */
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseTemplate } from "@evenkeel/core";
import { installDouble } from "@evenkeel/firecracker-double";
import { installLauncher } from "@evenkeel/host";
import { median } from "./measure.ts";

const POLL = 0.5;

/** Milliseconds from the start of a process to its socket. */
async function socketTime(command: string, socket: string): Promise<number> {
  const start = process.hrtime.bigint();
  const child = spawn(command, ["--api-sock", socket], { stdio: "ignore" });
  const ended = new Promise((resolve) => child.once("exit", resolve));
  while (!existsSync(socket)) await sleep(POLL);
  const time = Number(process.hrtime.bigint() - start) / 1e6;
  child.kill("SIGKILL");
  await ended;
  rmSync(socket, { force: true });
  // Whatever a helper still cleans up is not to disturb the next start.
  await sleep(20);
  return time;
}

export interface LauncherFigures {
  /** Milliseconds to the socket, medians. */
  readonly bare: number;
  readonly launched: number;
}

async function measureOn(directory: string, binary: string, runs: number) {
  const at = join(directory, "launcher");
  await installLauncher({
    firecracker: binary,
    at,
    choose: () => ({ template: parseTemplate({}), source: "nothing" }),
    time: new Date().toISOString(),
    path: process.env["PATH"] ?? "",
  });
  const bare: number[] = [];
  const launched: number[] = [];
  for (let i = 0; i < runs; i++) {
    const socket = join(directory, `${i}.sock`);
    bare.push(await socketTime(binary, socket));
    launched.push(await socketTime(at, socket));
  }
  return { bare: median(bare), launched: median(launched) };
}

/** On the double, or on a real binary where one is given. */
export async function measureLauncher(real?: string, runs = 40): Promise<LauncherFigures> {
  const directory = mkdtempSync(join(tmpdir(), "evenkeel-launcher-"));
  try {
    const binary = real ?? installDouble(directory, { version: "1.14.1" }).path;
    return await measureOn(directory, binary, runs);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
