/**
 * An agent that is killed again and again and comes back, now in one PID namespace and now in
 * another, on a disk of its own that can be filled.
 */
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { mkdirSync, openSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { rolldown } from "rolldown";
import { ROOT, VERSION } from "./fixtures.ts";
import { agentEnvironment, ask, type Reply } from "./supervised.ts";

const MIB = 1024 * 1024;
const STARTS = 10;

export interface ChaosAgent {
  /** Starts it in this PID namespace, or in the other one, and waits until it answers. */
  readonly start: (elsewhere: boolean) => Promise<void>;
  readonly kill: () => Promise<void>;
  readonly ask: (method: string, path: string, body?: object) => Promise<Reply>;
  /** Sends a snapshot out and in again under another name, through processes of their own. */
  readonly copy: (from: string, to: string) => Promise<boolean>;
  /** Fills the disk to its last page, and makes room again. */
  readonly fill: () => void;
  readonly drain: () => void;
  readonly end: () => Promise<void>;
}

function run(command: string, args: readonly string[]): void {
  const { status, stderr } = spawnSync(command, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`${command} ${args.join(" ")}: ${stderr}`);
}

function childOf(pid: number): number | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
    return text === "" ? undefined : Number(text.split(" ")[0]);
  } catch {
    return undefined;
  }
}

/** The agent in one file, which starts in half the time; where its worker and koffi are found. */
async function bundled(): Promise<string> {
  const file = join(ROOT, "packages/agent/dist/test/chaos-agent.mjs");
  const input = join(ROOT, "packages/agent/test/chaos-node.mjs");
  const bundle = await rolldown({ input, platform: "node", external: ["koffi"] });
  await bundle.write({ file, format: "esm", codeSplitting: false });
  return file;
}

/** The double, or a real Firecracker where EVENKEEL_FIRECRACKER names one; and its release. */
function firecracker(versions: string): readonly [binary: string, version: string] {
  const real = process.env["EVENKEEL_FIRECRACKER"];
  if (real === undefined) return [join(versions, VERSION, "firecracker"), VERSION];
  const { stdout } = spawnSync(real, ["--version"], { encoding: "utf8" });
  return [real, /v(\d+\.\d+\.\d+)/.exec(stdout)?.[1] ?? ""];
}

/** Its first process only waits: what is started in the namespace outlives whoever started it. */
async function otherNamespace(): Promise<{ pid: number; end: () => void }> {
  const args = ["--pid", "--fork", "--mount-proc", "--propagation", "unchanged", "sleep", "86400"];
  const holder = spawn("unshare", args, { stdio: "ignore", detached: true });
  for (let tries = 0; tries < 200; tries++) {
    const pid = childOf(holder.pid ?? 0);
    if (pid !== undefined) return { pid, end: () => void process.kill(pid, "SIGKILL") };
    await sleep(25);
  }
  throw new Error("no PID namespace can be made here");
}

/** Root only: it mounts a file system and makes a PID namespace. */
export async function chaosAgent(directory: string, diskMib: number): Promise<ChaosAgent> {
  const disk = join(directory, "x");
  mkdirSync(disk);
  run("mount", ["-t", "tmpfs", "-o", `size=${diskMib * MIB}`, "tmpfs", disk]);
  const env = agentEnvironment(directory, join(disk, "d"));
  const socket = env.EVENKEEL_LISTEN;
  const other = await otherNamespace();
  const command = [process.execPath, await bundled(), ...firecracker(env.FIRECRACKER_VERSIONS_DIR)];
  const inside = ["nsenter", "--target", String(other.pid), "--pid", "--mount", ...command];
  const said = openSync(join(directory, "said"), "a");
  let child: ChildProcess | undefined;
  let elsewhere = false;

  /** False where it ended instead, as it does where a busy machine lets its Firecracker not answer. */
  async function up(): Promise<boolean> {
    for (let tries = 0; tries < 1200; tries++) {
      const answer = await ask(socket, "GET", "/v1/health").catch(() => undefined);
      if (answer?.status === 200) return true;
      if (child?.exitCode !== null) return false;
      await sleep(25);
    }
    throw new Error("the agent did not come up");
  }

  async function kill(): Promise<void> {
    const pid = elsewhere ? childOf(child?.pid ?? 0) : child?.pid;
    const gone = new Promise((settle) => child?.once("exit", settle));
    if (pid === undefined || child?.exitCode !== null) return;
    process.kill(pid, "SIGKILL");
    await gone;
  }

  const ballast = join(disk, "ballast");
  const script =
    'curl -sSf --unix-socket "$0" "http://a/v1/snapshots/$1/export" | curl -sSf --unix-socket "$0" ' +
    '"http://a/v1/snapshots/$2" -T - -H "content-type: application/x-tar" >/dev/null 2>&1';
  return {
    start: async (there) => {
      elsewhere = there;
      const [first = "", ...args] = there ? inside : command;
      // As systemd does with Restart=always.
      for (let tries = 0; tries < STARTS; tries++) {
        child = spawn(first, args, { env, stdio: ["ignore", "ignore", said] });
        if (await up()) return;
      }
      const words = readFileSync(join(directory, "said"), "utf8").slice(-1000);
      throw new Error(`the agent ended: ${child?.exitCode}: ${words}`);
    },
    kill,
    ask: (method, path, body) => ask(socket, method, path, body),
    copy: (from, to) =>
      new Promise((settle) => {
        const copying = spawn("sh", ["-c", script, socket, from, to], { stdio: "ignore" });
        copying.once("exit", (code) => settle(code === 0));
      }),
    fill: () => {
      for (const [name, size] of [
        ["a", "4M"],
        ["b", "4k"],
      ]) {
        spawnSync("dd", ["if=/dev/zero", `of=${ballast}.${name}`, `bs=${size}`]);
      }
    },
    drain: () => {
      for (const name of ["a", "b"]) rmSync(`${ballast}.${name}`, { force: true });
    },
    end: async () => {
      await kill();
      other.end();
      await sleep(200);
      spawnSync("umount", ["-l", disk]);
    },
  };
}
