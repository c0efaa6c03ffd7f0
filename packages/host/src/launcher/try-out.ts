/** A launcher and its Firecracker, run once before orchestrators depend on them. */
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { HostError } from "../errors.ts";
import { createClient } from "../firecracker/client.ts";

const VERSION_TIMEOUT = 10_000;
const START_TIMEOUT = 10_000;
const POLL = 5;

/** What a Firecracker binary says it is, such as `1.14.1`. */
export function versionOf(binary: string): string {
  let said: string;
  try {
    said = execFileSync(binary, ["--version"], { encoding: "utf8", timeout: VERSION_TIMEOUT });
  } catch (error) {
    const { code, stderr } = error as NodeJS.ErrnoException & { stderr?: string };
    throw new HostError("NOT_FIRECRACKER", `${binary}: ${code ?? stderr ?? "cannot be run"}`, {
      cause: error,
    });
  }
  const version = /^Firecracker v(\d+\.\d+\.\d+\S*)/m.exec(said)?.[1];
  if (version !== undefined) return version;
  throw new HostError("NOT_FIRECRACKER", `${binary} --version says: ${said.slice(0, 100)}`);
}

interface Trial {
  readonly exited: Promise<string>;
  readonly socket: string;
  readonly end: () => Promise<void>;
}

/** Starts it as an orchestrator does; what it prints is kept for a message. */
function start(launcher: string, directory: string): Trial {
  const socket = join(directory, "s");
  const child = spawn(launcher, ["--api-sock", socket], { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk: Buffer) => {
      output += chunk.toString("utf8");
    });
  }
  const exited = new Promise<string>((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("close", () => resolve(output));
  });
  const end = async () => {
    child.kill("SIGKILL");
    await exited;
  };
  return { exited, socket, end };
}

/** Settles once the API answers where it was asked to; undefined where that took too long. */
async function answers(socket: string): Promise<string | undefined> {
  const client = createClient({ socket });
  for (let left = START_TIMEOUT / POLL; left > 0; left--) {
    const version = await client.version().catch(() => undefined);
    if (version !== undefined) return version;
    await sleep(POLL);
  }
  return undefined;
}

/** Throws LAUNCHER_FAILED with what it said, unless its Firecracker takes the template and answers. */
export async function tryLauncher(launcher: string): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "evenkeel-try-"));
  const { exited, socket, end } = start(launcher, directory);
  try {
    const outcome = await Promise.race([
      answers(socket).then((version) => (version === undefined ? "it does not answer" : undefined)),
      exited,
    ]);
    if (outcome !== undefined) throw new HostError("LAUNCHER_FAILED", outcome.trim().slice(-1000));
  } finally {
    await end();
    rmSync(directory, { recursive: true, force: true });
  }
}
