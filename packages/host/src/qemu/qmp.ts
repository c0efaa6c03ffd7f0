/**
 * QMP, QEMU's control protocol: JSON lines over a Unix socket that serves one client at a time.
 * Source: QEMU docs/interop/qmp-spec.txt.
 */
import type { Socket } from "node:net";
import { HostError } from "../errors.ts";
import { connectPinned } from "../isolation/pinned.ts";

/** Sends one command; settles with what it returns. */
export type Execute = (command: string, args?: object) => Promise<unknown>;

interface Reply {
  readonly id?: number;
  readonly return?: unknown;
  readonly error?: { readonly class: string; readonly desc: string };
}

/** QEMU answers in milliseconds; a machine that swaps may take seconds. */
const ANSWER_MS = 60_000;

type Settle = (reply: Reply | Error) => void;

/** Replies find their command by id; events and the greeting have none and are passed over. */
function listen(socket: Socket, waiting: Map<number, Settle>): void {
  let rest = "";
  socket.setEncoding("utf8").on("data", (chunk: string) => {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      const reply = JSON.parse(line) as Reply;
      if (reply.id !== undefined) waiting.get(reply.id)?.(reply);
    }
  });
  socket.on("close", () => {
    for (const settle of waiting.values())
      settle(new HostError("VMM_GONE", "QEMU closed its control socket"));
  });
  // The close that follows says all that is needed.
  socket.on("error", () => undefined);
}

function executor(socket: Socket, waiting: Map<number, Settle>): Execute {
  let last = 0;
  return (execute, args) =>
    new Promise((resolve, reject) => {
      const id = ++last;
      const late = setTimeout(() => {
        const message = `${execute}: no answer within ${ANSWER_MS / 1000} s`;
        waiting.get(id)?.(new HostError("VMM_TIMEOUT", message));
      }, ANSWER_MS);
      waiting.set(id, (reply) => {
        clearTimeout(late);
        waiting.delete(id);
        if (reply instanceof Error) reject(reply);
        else if (reply.error === undefined) resolve(reply.return);
        else reject(new HostError("VMM_REFUSED", `${execute}: ${reply.error.desc}`));
      });
      socket.write(`${JSON.stringify({ execute, arguments: args, id })}\n`);
    });
}

/**
 * Opens the socket for one piece of work and closes it after. Throws while nobody listens, and VMM_REFUSED, VMM_TIMEOUT or VMM_GONE where a command fails.
 */
export async function withQmp<T>(path: string, work: (execute: Execute) => Promise<T>): Promise<T> {
  const socket = await connectPinned(path);
  try {
    const waiting = new Map<number, Settle>();
    listen(socket, waiting);
    const execute = executor(socket, waiting);
    await execute("qmp_capabilities");
    return await work(execute);
  } finally {
    socket.destroy();
  }
}
