/** Programs that stand in Firecracker's place, started and asked as orchestrators do. */
import { spawn, type ChildProcess } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { request } from "node:http";
import { expect, onTestFinished } from "vitest";

export interface Running {
  readonly child: ChildProcess;
  readonly output: () => string;
  readonly exit: Promise<{ readonly code: number | null; readonly signal: string | null }>;
}

export function run(
  command: string,
  args: readonly string[],
  cwd?: string,
  env: Readonly<Record<string, string>> = {},
): Running {
  const options = { ...(cwd === undefined ? {} : { cwd }), env: { ...process.env, ...env } };
  const child = spawn(command, args, { ...options, stdio: ["ignore", "pipe", "pipe"] });
  let text = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk: Buffer) => {
      text += chunk.toString("utf8");
    });
  }
  const exit = new Promise<{ code: number | null; signal: string | null }>((resolve) => {
    child.once("close", (code, signal) => resolve({ code, signal }));
  });
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await exit;
  });
  return { child, output: () => text, exit };
}

export interface Answer {
  readonly status: number | undefined;
  readonly body: string;
}

export function call(
  socketPath: string,
  method: string,
  path: string,
  body?: object | string,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ socketPath, method, path, agent: false }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => {
        text += chunk;
      });
      response.on("end", () => resolve({ status: response.statusCode, body: text }));
    });
    outgoing.once("error", reject);
    outgoing.end(typeof body === "object" ? JSON.stringify(body) : (body ?? ""));
  });
}

export async function appears(path: string): Promise<void> {
  await expect.poll(() => existsSync(path), { timeout: 30_000, interval: 5 }).toBe(true);
}

/** Processes whose command line has a word in it. */
export function processesOf(word: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(word);
      } catch {
        return false;
      }
    })
    .map(Number);
}

/** What the launcher makes beside the socket. */
export function leftovers(directory: string): string[] {
  return readdirSync(directory).filter((name) => name.startsWith(".ek"));
}

function parentOf(pid: string): number | undefined {
  try {
    return Number(/\) \S (\d+)/.exec(readFileSync(`/proc/${pid}/stat`, "latin1"))?.[1]);
  } catch {
    return undefined;
  }
}

/** Processes that a process has started and that are still there, zombies too. */
export function childrenOf(pid: number | undefined): string[] {
  return readdirSync("/proc").filter((name) => /^\d+$/.test(name) && parentOf(name) === pid);
}
