/** Waiting until a guest says that it is ready. */
import { get } from "node:http";
import type { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { Readiness } from "@evenkeel/api";
import { connectPinned, openPlain, socketsOf, type MicroVm } from "@evenkeel/host";
import { AgentError } from "../errors.ts";
import { consoleEnd } from "../sandboxes/console.ts";
import { vsockPath } from "../sandboxes/vm-directory.ts";

const POLL_MS = 20;
const CHUNK = 64 * 1024;
/** How much is searched at each poll; a guest that prints faster may not be recognized as ready. */
const CHUNKS_AT_ONCE = 4;

/** Searches what was written to the console since the last check, within bounds. */
function consoleSearch(path: string, text: string): () => Promise<boolean> {
  let offset = 0;
  let carried = "";
  const buffer = Buffer.alloc(CHUNK);
  return async () => {
    const file = await openPlain(path);
    try {
      const { size } = await file.stat();
      // A console that grew too large was truncated, and starts over.
      if (size < offset) [offset, carried] = [0, ""];
      for (let chunks = 0; chunks < CHUNKS_AT_ONCE; chunks++) {
        const { bytesRead } = await file.read(buffer, 0, CHUNK, offset);
        if (bytesRead === 0) return false;
        offset += bytesRead;
        // latin1 keeps every byte, so that a text cut by a chunk's end is found in the next.
        const seen = carried + buffer.toString("latin1", 0, bytesRead);
        if (seen.includes(text)) return true;
        carried = seen.slice(-text.length);
      }
      return false;
    } finally {
      await file.close();
    }
  };
}

/**
 * Connects to a port of the guest: Firecracker's and QEMU's vsock speak `CONNECT <port>` on a Unix
 * socket. https://github.com/firecracker-microvm/firecracker/blob/main/docs/vsock.md
 */
async function connectVsock(vm: MicroVm, port: number): Promise<Socket> {
  const socket = await connectPinned(vsockPath(socketsOf(vm.record)));
  return new Promise((settle, reject) => {
    const end = (error: Error) => {
      socket.destroy();
      reject(error);
    };
    socket.setTimeout(1000, () => end(new Error("no answer")));
    socket.once("error", end);
    socket.once("close", () => end(new Error("closed")));
    socket.write(`CONNECT ${port}\n`);
    socket.once("data", (answer) => {
      if (!answer.toString("latin1").startsWith("OK ")) return end(new Error("refused"));
      socket.removeAllListeners();
      settle(socket);
    });
  });
}

async function listens(vm: MicroVm, port: number): Promise<boolean> {
  const socket = await connectVsock(vm, port);
  socket.destroy();
  return true;
}

async function answers(vm: MicroVm, port: number, path: string): Promise<boolean> {
  const socket = await connectVsock(vm, port);
  return new Promise((settle) => {
    const request = get({ path, host: "localhost", createConnection: () => socket, timeout: 2000 });
    const end = (ready: boolean) => {
      socket.destroy();
      settle(ready);
    };
    request.once("response", ({ statusCode = 0 }) => end(statusCode >= 200 && statusCode < 300));
    request.once("timeout", () => end(false));
    request.once("error", () => end(false));
  });
}

type Asked = Exclude<Readiness, { kind: "delay" }>;

function askerOf(vm: MicroVm, readiness: Asked) {
  if (readiness.kind === "serial") {
    return consoleSearch(vm.console, Buffer.from(readiness.text).toString("latin1"));
  }
  const { port } = readiness;
  return readiness.kind === "vsock"
    ? () => listens(vm, port)
    : () => answers(vm, port, readiness.path);
}

/**
 * A guest that does not answer yet is not ready, whatever the reason; nor is one whose answer never
 * ends in time.
 */
async function quietly(ask: () => Promise<boolean>, milliseconds: number): Promise<boolean> {
  const over = new AbortController();
  try {
    const late = sleep(milliseconds, false, { signal: over.signal }).catch(() => false);
    return await Promise.race([ask(), late]);
  } catch {
    return false;
  } finally {
    over.abort();
  }
}

/** Why waiting was given up; undefined while still waiting. */
type Ended = () => string | undefined;

async function poll(vm: MicroVm, readiness: Asked, ended: Ended): Promise<string | undefined> {
  const deadline = performance.now() + readiness.timeoutSeconds * 1000;
  const ask = askerOf(vm, readiness);
  for (;;) {
    const left = deadline - performance.now();
    if (left <= 0) return `the guest was not ready after ${readiness.timeoutSeconds} s`;
    if (await quietly(ask, left)) return undefined;
    const why = ended();
    if (why !== undefined) return why;
    await sleep(POLL_MS);
  }
}

const GONE = "the microVM exited before it was ready";

/**
 * Settles when the guest is ready; throws NOT_READY when time is up or the VMM ends, and STOPPING
 * when the agent is told to.
 */
export async function awaitReady(
  vm: MicroVm,
  readiness: Readiness,
  stopping: AbortSignal = new AbortController().signal,
): Promise<void> {
  let gone = false;
  const exited = vm.exited.then(() => {
    gone = true;
  });
  const ended = () => (gone || stopping.aborted ? GONE : undefined);
  let why: string | undefined;
  if (readiness.kind === "delay") {
    const delay = sleep(readiness.milliseconds, undefined, { signal: stopping }).catch(() => {});
    await Promise.race([delay, exited]);
    why = ended();
  } else {
    why = await poll(vm, readiness, ended);
  }
  if (stopping.aborted) {
    throw new AgentError("STOPPING", "the agent is stopping; nothing was built");
  }
  if (why === undefined) return;
  const end = consoleEnd(vm.console).slice(-1000);
  throw new AgentError("NOT_READY", `${why}; the console ends: ${JSON.stringify(end)}`);
}
