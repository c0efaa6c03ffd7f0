/** Starting QEMU as a process of its own, and waiting until it listens or has said why not. */
import { spawn, type ChildProcess } from "node:child_process";
import { chownSync, closeSync, openSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { HostError } from "../errors.ts";
import type { Cell } from "../isolation/cell.ts";
import { confined, confinedPid, TUN_NODE, tunCommand } from "../isolation/confine.ts";
import { giveLog, markSlot } from "../isolation/jail.ts";
import { markUsed } from "../lock.ts";
import { runTool } from "../network/run.ts";
import { tailOf } from "../plain-file.ts";
import { startTimeOf } from "../proc.ts";
import { socketsOf, type VmExit, type VmRecord } from "../vmm.ts";
import { CONSOLE, LOG, SOCKET } from "./arguments.ts";
import { killProcess } from "../process.ts";
import { withQmp } from "./qmp.ts";

export interface Started {
  readonly record: VmRecord;
  readonly exited: Promise<VmExit>;
}

const LISTEN_MS = 30_000;
const RETRY_MS = 10;
const SHOWN_LINES = 5;
/** Bytes of its log that are searched for them. */
const LOG_READ = 64 * 1024;

/** The control socket's path, however long; {@link withQmp} can do with that. */
export function socketPath(record: VmRecord): string {
  return join(socketsOf(record), SOCKET);
}

/** QEMU's own last words; warnings about features it cannot emulate are not what ended it. */
function lastWords(directory: string): string {
  const log = tailOf(join(directory, LOG), LOG_READ);
  const lines = log.split("\n").filter((line) => line !== "" && !line.includes(": warning: "));
  return lines.slice(-SHOWN_LINES).join("\n");
}

function describeExit({ code, signal }: VmExit, directory: string): string {
  const how = signal === undefined ? `exit code ${code ?? "unknown"}` : `signal ${signal}`;
  const words = lastWords(directory);
  return `QEMU exited with ${how}${words === "" ? "" : `: ${words}`}`;
}

function exitOf(child: ChildProcess): Promise<VmExit> {
  return new Promise((resolve) => {
    child.once("exit", (code, signal) =>
      resolve({ code: code ?? undefined, signal: signal ?? undefined }),
    );
  });
}

function spawned(child: ChildProcess, binary: string): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once("spawn", () => resolve(child.pid ?? 0));
    child.once("error", (cause) =>
      reject(new HostError("NO_QEMU", `cannot run ${binary}: ${cause.message}`, { cause })),
    );
  });
}

async function untilListening(path: string, end: AbortSignal): Promise<void> {
  const limit = Date.now() + LISTEN_MS;
  for (;;) {
    try {
      await withQmp(path, async () => undefined);
      return;
    } catch (error) {
      if (end.aborted) return;
      if (Date.now() > limit) {
        const message = `QEMU is not listening on ${path}`;
        throw new HostError("VMM_TIMEOUT", message, { cause: error });
      }
      await sleep(RETRY_MS);
    }
  }
}

/** A start that failed, or anything later that the process did not survive, in QEMU's words. */
export async function orItsEnd<T>(
  work: Promise<T>,
  exited: Promise<VmExit>,
  directory: string,
  code: "VMM_START_FAILED" | "VMM_GONE" = "VMM_GONE",
): Promise<T> {
  const end = exited.then((exit): never => {
    throw new HostError(code, describeExit(exit, directory));
  });
  return Promise.race([work, end]);
}

interface Launch {
  readonly command: readonly string[];
  readonly cwd: string;
}

/** In a jail, the console that QEMU itself opens is the one of the microVM's directory. */
async function launchOf(
  command: readonly string[],
  directory: string,
  cell: Cell | undefined,
): Promise<Launch> {
  if (cell === undefined) return { command, cwd: directory };
  markSlot(cell, directory, LOG);
  const console = join(directory, CONSOLE);
  closeSync(openSync(console, "a", 0o600));
  giveLog(cell, console, CONSOLE);
  await runTool(tunCommand(cell), "", "JAIL_FAILED");
  chownSync(join(cell.root, TUN_NODE), cell.uid, cell.uid);
  return { command: confined(cell, command), cwd: cell.root };
}

/** What is spawned may be a wrapper, which forks the VMM: the record is the VMM's. */
async function recordOf(
  pid: number,
  directory: string,
  cell: Cell | undefined,
  ended: AbortSignal,
): Promise<VmRecord> {
  if (cell === undefined) return { directory, pid, startTime: startTimeOf(pid) ?? "" };
  const { root, uid, slot } = cell;
  const own = (await confinedPid(pid, ended)) ?? pid;
  return { directory, pid: own, startTime: startTimeOf(own) ?? "", jail: { root, uid, slot } };
}

/**
 * Starts QEMU in the microVM's directory, or confined in a jail, detached and with its output in a
 * file. Throws NO_QEMU where there is none, VMM_START_FAILED with QEMU's words where it ends instead
 * of listening.
 */
export async function startQemu(
  binary: string,
  args: readonly string[],
  directory: string,
  cell?: Cell,
): Promise<Started> {
  const { command, cwd } = await launchOf([binary, ...args], directory, cell);
  const [program = "", ...rest] = command;
  const log = openSync(join(directory, LOG), "a", 0o600);
  let child: ChildProcess;
  try {
    // While it runs, nobody takes its directory for abandoned.
    await markUsed(log);
    child = spawn(program, rest, { cwd, detached: true, stdio: ["ignore", log, log] });
  } finally {
    closeSync(log);
  }
  const exited = exitOf(child);
  const pid = await spawned(child, binary);
  child.unref();
  const ended = new AbortController();
  void exited.then(() => ended.abort());
  const record = await recordOf(pid, directory, cell, ended.signal);
  try {
    const listening = untilListening(socketPath(record), ended.signal);
    await orItsEnd(listening, exited, directory, "VMM_START_FAILED");
    cell?.group.join(record.pid);
  } catch (error) {
    killProcess(record);
    child.kill("SIGKILL");
    throw error;
  }
  return { record, exited };
}
