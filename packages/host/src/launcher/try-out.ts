/** A launcher and its Firecracker, run once before orchestrators depend on them. */
import { spawn } from "node:child_process";
import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { HostError } from "../errors.ts";
import { createClient } from "../firecracker/client.ts";

const START_TIMEOUT = 10_000;
const POLL = 5;

interface Trial {
  readonly exited: Promise<string>;
  readonly socket: string;
  readonly end: () => Promise<void>;
}

interface Command {
  readonly args: readonly string[];
  readonly socket: string;
}

/** A user id that nothing else uses. */
const NOBODY = "65534";

/** How an orchestrator would start it. */
function commandIn(directory: string, jailed: string | undefined): Command {
  const socket = ["--api-sock", "s"];
  if (jailed === undefined) {
    const path = join(directory, "s");
    return { args: ["--api-sock", path], socket: path };
  }
  const user = ["--uid", NOBODY, "--gid", NOBODY];
  const where = ["--id", "try", "--exec-file", jailed, "--chroot-base-dir", directory];
  const path = join(directory, basename(jailed), "try/root/s");
  return { args: [...where, ...user, "--", ...socket], socket: path };
}

/** Starts it as an orchestrator does; what it prints is kept for a message. */
function start(launcher: string, { args, socket }: Command): Trial {
  const child = spawn(launcher, args, { stdio: ["ignore", "pipe", "pipe"] });
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

/** Whether the API answers at the requested path within a reasonable time. */
async function answers(socket: string, given: AbortSignal): Promise<boolean> {
  const client = createClient({ socket });
  for (let left = START_TIMEOUT / POLL; left > 0 && !given.aborted; left--) {
    const version = await client.version().catch(() => undefined);
    if (version !== undefined) return true;
    await sleep(POLL);
  }
  return false;
}

/**
 * Throws LAUNCHER_FAILED with its output, unless its Firecracker accepts the template and answers.
 */
export async function tryLauncher(launcher: string, jailed?: string): Promise<void> {
  const directory = realpathSync(mkdtempSync(join(tmpdir(), "ek-try-")));
  const { exited, socket, end } = start(launcher, commandIn(directory, jailed));
  const over = new AbortController();
  try {
    const outcome = await Promise.race([
      answers(socket, over.signal).then((yes) => (yes ? undefined : "it did not answer")),
      exited,
    ]);
    if (outcome !== undefined) throw new HostError("LAUNCHER_FAILED", outcome.trim().slice(-1000));
  } finally {
    over.abort();
    await end();
    rmSync(directory, { recursive: true, force: true });
  }
}
