/**
 * A Firecracker process: started so that it outlives its parent, its start raced against its end.
 * In the microVM's directory: `firecracker.sock`, `console.log` (the guest's serial console),
 * `firecracker.log` (its own log), `stderr.log`.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { closeSync, openSync, rmSync, statSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { HostError } from "../errors.ts";
import { markUsed } from "../lock.ts";
import { tailOf } from "../plain-file.ts";
import { isRunning, startTimeOf } from "../proc.ts";
import type { VmExit, VmRecord } from "../vmm.ts";
import { firecrackerArguments } from "./arguments.ts";

export const SOCKET = "firecracker.sock";
const CONSOLE = "console.log";
const STDERR = "stderr.log";
const LOG = "firecracker.log";

/** sockaddr_un has 108 bytes, the last one NUL. */
const SOCKET_PATH_LIMIT = 107;

const START_TIMEOUT = 10_000;
const SOCKET_POLL = 1;
const ADOPTED_POLL = 200;
const DISPOSE_POLL = 2;
const KEPT_OUTPUT = 2000;

export interface FirecrackerProcess {
  readonly record: VmRecord;
  readonly socket: string;
  readonly console: string;
  readonly logs: readonly string[];
  readonly exited: Promise<VmExit>;
  /** The end of what it said on standard error and in its log, for messages. */
  readonly lastWords: () => string;
  /** Ends it and removes its socket; may be called again. */
  readonly dispose: () => Promise<void>;
}

function hasSocket(path: string): boolean {
  try {
    return statSync(path).isSocket();
  } catch {
    return false;
  }
}

/** Whether somebody listens: between bind and listen the socket is there and refuses. */
export function accepts(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

function socketPath(directory: string): string {
  const path = join(directory, SOCKET);
  const length = Buffer.byteLength(path);
  if (length <= SOCKET_PATH_LIMIT) return path;
  throw new HostError("SOCKET_PATH_TOO_LONG", `${path}: ${length} bytes`);
}

function processOf(record: VmRecord, exited: Promise<VmExit>): FirecrackerProcess {
  const { directory, pid, startTime } = record;
  const socket = socketPath(directory);
  const logs = [STDERR, LOG].map((name) => join(directory, name));
  const lastWords = () =>
    logs.map((path) => tailOf(path, KEPT_OUTPUT)).find((words) => words !== "") ?? "";
  const dispose = async () => {
    if (isRunning(pid, startTime)) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // It went by itself in between.
      }
    }
    // A child's exit and an adopted one's do not keep this process alive; waiting for them does.
    while (isRunning(pid, startTime)) await sleep(DISPOSE_POLL);
    rmSync(socket, { force: true });
  };
  return { record, socket, console: join(directory, CONSOLE), logs, exited, lastWords, dispose };
}

function exitOf(child: ChildProcess): Promise<VmExit> {
  return new Promise((resolve) => {
    child.once("error", () => resolve({ code: undefined, signal: undefined }));
    child.once("exit", (code, signal) => {
      resolve({ code: code ?? undefined, signal: signal ?? undefined });
    });
  });
}

function spawned(child: ChildProcess, binary: string): Promise<void> {
  return new Promise((resolve, reject) => {
    child.once("spawn", resolve);
    child.once("error", (error: NodeJS.ErrnoException) => {
      reject(new HostError("VMM_START_FAILED", `${binary}: ${error.code}`, { cause: error }));
    });
  });
}

/** Its streams are files of its own: a pipe would break when this process ends. */
async function spawnDetached(binary: string, directory: string): Promise<ChildProcess> {
  const files = [CONSOLE, STDERR].map((name) => openSync(join(directory, name), "a"));
  // Releases before 1.12 want the log's file to be there.
  closeSync(openSync(join(directory, LOG), "a"));
  try {
    // While it runs, nobody takes its directory for abandoned.
    for (const file of files) await markUsed(file);
    return spawn(binary, firecrackerArguments({ socket: SOCKET, logFile: LOG }), {
      cwd: directory,
      detached: true,
      stdio: ["ignore", ...files],
    });
  } finally {
    for (const file of files) closeSync(file);
  }
}

function exitText({ code, signal }: VmExit): string {
  return signal === undefined ? `exit code ${code}` : signal;
}

async function apiAnswers(started: FirecrackerProcess): Promise<void> {
  const deadline = Date.now() + START_TIMEOUT;
  let exit: VmExit | undefined;
  void started.exited.then((value) => {
    exit = value;
  });
  while (!hasSocket(started.socket) || !(await accepts(started.socket))) {
    if (exit !== undefined) {
      const words = started.lastWords();
      throw new HostError("VMM_START_FAILED", `Firecracker ended (${exitText(exit)}): ${words}`);
    }
    if (Date.now() > deadline) {
      const seconds = START_TIMEOUT / 1000;
      throw new HostError("VMM_TIMEOUT", `Firecracker listens to nobody after ${seconds} s`);
    }
    await sleep(SOCKET_POLL);
  }
}

/** Starts a Firecracker in a microVM's directory and waits for its API. */
export async function startProcess(binary: string, directory: string): Promise<FirecrackerProcess> {
  rmSync(socketPath(directory), { force: true });
  const child = await spawnDetached(binary, directory);
  const exited = exitOf(child);
  await spawned(child, binary);
  child.unref();
  const pid = child.pid ?? 0;
  const started = processOf({ directory, pid, startTime: startTimeOf(pid) ?? "" }, exited);
  try {
    await apiAnswers(started);
    return started;
  } catch (error) {
    await started.dispose();
    throw error;
  }
}

/** The end of a process that is not our child can only be looked for. */
async function vanished({ pid, startTime }: VmRecord): Promise<VmExit> {
  while (isRunning(pid, startTime)) await sleep(ADOPTED_POLL, undefined, { ref: false });
  return { code: undefined, signal: undefined };
}

/** Takes over a process that an earlier one started; undefined where it is gone. */
export function adoptProcess(record: VmRecord): FirecrackerProcess | undefined {
  if (!isRunning(record.pid, record.startTime)) return undefined;
  if (!hasSocket(socketPath(record.directory))) return undefined;
  return processOf(record, vanished(record));
}
