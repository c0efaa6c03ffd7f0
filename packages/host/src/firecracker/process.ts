/**
 * A Firecracker process: started so that it outlives its parent, its start raced against its end.
 * In the microVM's directory: `firecracker.sock`, `console.log` (the guest's serial console),
 * `firecracker.log` (its own log), `stderr.log`.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { closeSync, linkSync, lstatSync, openSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { HostError } from "../errors.ts";
import type { Cell, WarmVmm } from "../isolation/cell.ts";
import { besideJail, giveLog, markSlot } from "../isolation/jail.ts";
import { jailerArguments, jailerOf, writtenPid } from "../isolation/jailer.ts";
import { connectPinned } from "../isolation/pinned.ts";
import { belongsTo } from "../isolation/processes.ts";
import { limitFileSize, maySetLimits } from "../isolation/rlimit.ts";
import { markUsed } from "../lock.ts";
import { tailOf } from "../plain-file.ts";
import { isRunning, startTimeOf } from "../proc.ts";
import { SOCKET_PATH_LIMIT } from "@evenkeel/core";
import { socketsOf, type VmExit, type VmRecord } from "../vmm.ts";
import { firecrackerArguments } from "./arguments.ts";

export const SOCKET = "firecracker.sock";
const CONSOLE = "console.log";
const STDERR = "stderr.log";
const LOG = "firecracker.log";

const ARGUMENTS = firecrackerArguments({ socket: SOCKET, logFile: LOG });

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
    return lstatSync(path).isSocket();
  } catch {
    return false;
  }
}

/** Whether it is listening: between bind and listen the socket exists but refuses connections. */
export async function accepts(path: string): Promise<boolean> {
  try {
    (await connectPinned(path)).destroy();
    return true;
  } catch {
    return false;
  }
}

function socketPath(record: Pick<VmRecord, "directory" | "jail">): string {
  const path = join(socketsOf(record as VmRecord), SOCKET);
  if (record.jail !== undefined) return path;
  const length = Buffer.byteLength(path);
  if (length <= SOCKET_PATH_LIMIT) return path;
  throw new HostError("SOCKET_PATH_TOO_LONG", `${path}: ${length} bytes`);
}

function processOf(record: VmRecord, exited: Promise<VmExit>): FirecrackerProcess {
  const { directory, pid, startTime } = record;
  const socket = socketPath(record);
  const logs = [STDERR, LOG].map((name) => join(directory, name));
  const lastWords = () =>
    logs.map((path) => tailOf(path, KEPT_OUTPUT)).find((words) => words !== "") ?? "";
  const dispose = async () => {
    if (isRunning(pid, startTime)) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // It exited by itself in between.
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

/**
 * Its streams are files of its own: a pipe would break when this process ends. Firecracker, and its
 * log, are found in `cwd`, or in the jail.
 */
async function spawnDetached(
  directory: string,
  command: readonly string[],
  cwd: string,
): Promise<ChildProcess> {
  const [program = "", ...args] = command;
  const files = [CONSOLE, STDERR].map((name) => openSync(join(directory, name), "a"));
  try {
    // While it runs, its directory does not look abandoned.
    for (const file of files) await markUsed(file);
    return spawn(program, args, { cwd, detached: true, stdio: ["ignore", ...files] });
  } finally {
    for (const file of files) closeSync(file);
  }
}

/** Releases before 1.12 require that the log file exists. */
function makeLog(directory: string): string {
  const path = join(directory, LOG);
  closeSync(openSync(path, "a", 0o600));
  return path;
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
      throw new HostError("VMM_START_FAILED", `Firecracker exited (${exitText(exit)}): ${words}`);
    }
    if (Date.now() > deadline) {
      const seconds = START_TIMEOUT / 1000;
      throw new HostError(
        "VMM_TIMEOUT",
        `Firecracker is not accepting connections after ${seconds} s`,
      );
    }
    await sleep(SOCKET_POLL);
  }
}

/** Starts a Firecracker in a microVM's directory and waits for its API. */
export async function startProcess(
  binary: string,
  directory: string,
  cell?: Cell,
): Promise<FirecrackerProcess> {
  if (cell?.warm !== undefined) return takeWarm(binary, directory, cell, cell.warm);
  if (cell !== undefined) return startJailed(binary, directory, cell);
  rmSync(socketPath({ directory }), { force: true });
  makeLog(directory);
  const child = await spawnDetached(directory, [binary, ...ARGUMENTS], directory);
  const exited = exitOf(child);
  await spawned(child, binary);
  child.unref();
  const pid = child.pid ?? 0;
  return answering(processOf({ directory, pid, startTime: startTimeOf(pid) ?? "" }, exited));
}

/**
 * Starts a Firecracker in a slot prepared in advance, with its console and logs beside the jail.
 * Its file size limit is set once it is known what it will run.
 */
export async function warmFirecracker(binary: string, cell: Cell): Promise<WarmVmm> {
  return { binary, running: await startJailed(binary, besideJail(cell), cell) };
}

/** Gives a waiting Firecracker the microVM's directory, with hard links to its files. */
async function takeWarm(
  binary: string,
  directory: string,
  cell: Cell,
  { binary: waiting, running }: WarmVmm,
): Promise<FirecrackerProcess> {
  if (waiting !== binary) {
    throw new HostError(
      "JAIL_FAILED",
      `slot ${cell.slot} was prepared for ${waiting}, not ${binary}`,
    );
  }
  const { record, exited } = running;
  if (maySetLimits()) await limitFileSize(record.pid, cell.rlimits.fileSize);
  for (const name of [CONSOLE, STDERR, LOG]) {
    linkSync(join(besideJail(cell), name), join(directory, name));
  }
  return processOf({ ...record, directory }, exited);
}

/** Waits for its API; if it does not come up, the process is killed. */
async function answering(started: FirecrackerProcess): Promise<FirecrackerProcess> {
  try {
    await apiAnswers(started);
    return started;
  } catch (error) {
    await started.dispose();
    throw error;
  }
}

/** Throws VMM_START_FAILED with the jailer's own words. */
async function runJailer(binary: string, directory: string, cell: Cell): Promise<number> {
  const jailer = jailerOf(binary);
  const command = [jailer, ...jailerArguments(binary, cell, ARGUMENTS)];
  const child = await spawnDetached(directory, command, "/");
  const ended = exitOf(child);
  await spawned(child, jailer);
  const exit = await ended;
  const pid = writtenPid(cell, binary);
  if (exit.code === 0 && pid !== undefined) return pid;
  const words =
    [STDERR, CONSOLE]
      .map((name) => tailOf(join(directory, name), KEPT_OUTPUT))
      .find((said) => said !== "") ?? "";
  throw new HostError("VMM_START_FAILED", `the jailer exited (${exitText(exit)}): ${words}`);
}

/** The jailer leaves Firecracker behind, in a PID namespace of its own. */
async function startJailed(
  binary: string,
  directory: string,
  cell: Cell,
): Promise<FirecrackerProcess> {
  giveLog(cell, makeLog(directory), LOG);
  markSlot(cell, directory, CONSOLE);
  const pid = await runJailer(binary, directory, cell);
  const { root, uid, slot } = cell;
  const record = { directory, pid, startTime: startTimeOf(pid) ?? "", jail: { root, uid, slot } };
  const started = await answering(processOf(record, vanished(record)));
  if (!belongsTo(pid, uid)) {
    throw new HostError("VMM_START_FAILED", `process ${pid} does not belong to user ${uid}`);
  }
  // Nothing runs in it yet; all its threads are moved.
  cell.group.join(pid);
  return started;
}

/** The exit of a process that is not our child can only be polled for. */
async function vanished({ pid, startTime }: VmRecord): Promise<VmExit> {
  while (isRunning(pid, startTime)) await sleep(ADOPTED_POLL, undefined, { ref: false });
  return { code: undefined, signal: undefined };
}

/** Adopts a process that an earlier agent started; undefined if it is gone. */
export function adoptProcess(record: VmRecord): FirecrackerProcess | undefined {
  if (!isRunning(record.pid, record.startTime)) return undefined;
  if (!hasSocket(socketPath(record))) return undefined;
  if (record.jail !== undefined && !belongsTo(record.pid, record.jail.uid)) return undefined;
  return processOf(record, vanished(record));
}
