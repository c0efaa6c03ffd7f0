/** Starting QEMU as a process of its own, and waiting until it listens or has said why not. */
import { spawn, type ChildProcess } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { HostError } from "../errors.ts";
import { markUsed } from "../lock.ts";
import { tailOf } from "../plain-file.ts";
import { startTimeOf } from "../proc.ts";
import type { VmExit, VmRecord } from "../vmm.ts";
import { LOG, SOCKET } from "./arguments.ts";
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

/** Unix socket paths are limited to 107 bytes. Source: unix(7). */
const SOCKET_PATH_LIMIT = 107;

/** The control socket's path; where that is too long, the same file through /proc. */
export function socketPath({ directory, pid }: Pick<VmRecord, "directory" | "pid">): string {
  const path = join(directory, SOCKET);
  return Buffer.byteLength(path) <= SOCKET_PATH_LIMIT ? path : `/proc/${pid}/cwd/${SOCKET}`;
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
  return `QEMU ended with ${how}${words === "" ? "" : `: ${words}`}`;
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
        const message = `QEMU does not listen on ${path}`;
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

/**
 * Starts QEMU in the microVM's directory, detached and with its output in a file there. Throws
 * NO_QEMU where there is none, VMM_START_FAILED with QEMU's words where it ends instead of listening.
 */
export async function startQemu(
  binary: string,
  args: readonly string[],
  directory: string,
): Promise<Started> {
  const log = openSync(join(directory, LOG), "a", 0o600);
  let child: ChildProcess;
  try {
    // While it runs, nobody takes its directory for abandoned.
    await markUsed(log);
    child = spawn(binary, args, { cwd: directory, detached: true, stdio: ["ignore", log, log] });
  } finally {
    closeSync(log);
  }
  const exited = exitOf(child);
  const pid = await spawned(child, binary);
  child.unref();
  const startTime = startTimeOf(pid) ?? "";
  const ended = new AbortController();
  void exited.then(() => ended.abort());
  try {
    const listening = untilListening(socketPath({ directory, pid }), ended.signal);
    await orItsEnd(listening, exited, directory, "VMM_START_FAILED");
  } catch (error) {
    child.kill("SIGKILL");
    throw error;
  }
  return { record: { directory, pid, startTime }, exited };
}
