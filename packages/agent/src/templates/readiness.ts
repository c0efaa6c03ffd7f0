/** Waiting until a guest says that it is ready. */
import { open } from "node:fs/promises";
import { get } from "node:http";
import type { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { Readiness } from "@evenkeel/api";
import { connectPinned, socketsOf, type MicroVm } from "@evenkeel/host";
import { AgentError } from "../errors.ts";
import { consoleEnd } from "../sandboxes/console.ts";
import { vsockPath } from "../sandboxes/vm-directory.ts";

const POLL_MS = 20;
const CHUNK = 64 * 1024;

/** Looks through what was written to the console since the last look. */
function consoleSearch(path: string, text: string): () => Promise<boolean> {
  let offset = 0;
  let carried = "";
  const buffer = Buffer.alloc(CHUNK);
  return async () => {
    const file = await open(path, "r");
    try {
      for (;;) {
        const { bytesRead } = await file.read(buffer, 0, CHUNK, offset);
        if (bytesRead === 0) return false;
        offset += bytesRead;
        // latin1 keeps every byte, so that a text cut by a chunk's end is found in the next.
        const seen = carried + buffer.toString("latin1", 0, bytesRead);
        if (seen.includes(text)) return true;
        carried = seen.slice(-text.length);
      }
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

function askerOf(vm: MicroVm, readiness: Exclude<Readiness, { kind: "delay" }>) {
  if (readiness.kind === "serial") {
    return consoleSearch(vm.console, Buffer.from(readiness.text).toString("latin1"));
  }
  const { port } = readiness;
  return readiness.kind === "vsock"
    ? () => listens(vm, port)
    : () => answers(vm, port, readiness.path);
}

/** A guest that does not answer yet is not ready yet, whatever the reason. */
async function quietly(ask: () => Promise<boolean>): Promise<boolean> {
  try {
    return await ask();
  } catch {
    return false;
  }
}

/** Settles when the guest is ready; throws NOT_READY when time is up or the VMM ends. */
export async function awaitReady(vm: MicroVm, readiness: Readiness): Promise<void> {
  let ended = false;
  void vm.exited.then(() => {
    ended = true;
  });
  const refuse = async (why: string): Promise<never> => {
    const end = (await consoleEnd(vm.console)).slice(-1000);
    throw new AgentError("NOT_READY", `${why}; the console ends: ${JSON.stringify(end)}`);
  };
  if (readiness.kind === "delay") {
    await Promise.race([sleep(readiness.milliseconds), vm.exited]);
    if (ended) return refuse("the microVM ended before it was ready");
    return undefined;
  }
  const deadline = performance.now() + readiness.timeoutSeconds * 1000;
  const ask = askerOf(vm, readiness);
  while (!(await quietly(ask))) {
    if (ended) return refuse("the microVM ended before it was ready");
    if (performance.now() > deadline) {
      return refuse(`the guest was not ready after ${readiness.timeoutSeconds} s`);
    }
    await sleep(POLL_MS);
  }
  return undefined;
}
