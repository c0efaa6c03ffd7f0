/**
 * Stalled connections: a body that never ends, an answer that nobody reads, a refused upload that
 * continues. Each gets a limited time and blocks nothing else.
 */
import type { Socket } from "node:net";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";

export interface StallOptions {
  /** A transfer must move this many bytes in each period, or it is cut off. */
  readonly leastBytes: number;
  readonly periodMs: number;
  /** How long a refused body may continue, so that its sender can read the answer. */
  readonly lingerMs: number;
  /** Ends all transfers. */
  readonly stopping: AbortSignal;
}

export const STALLS = { leastBytes: 64 * 1024, periodMs: 30_000, lingerMs: 2000 } as const;

/** Exempt: it is meant to wait, and has its own timeout. */
const PATIENT: ReadonlySet<string> = new Set(["/v1/events"]);

interface Transfer {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  /** Bytes that had moved when the period began. */
  moved: number;
  since: number;
}

function socketOf({ raw }: FastifyRequest): Socket | undefined {
  // Injected requests have no real socket.
  const { socket } = raw as { readonly socket?: Socket };
  return typeof socket?.bytesRead === "number" && "destroySoon" in socket ? socket : undefined;
}

/** In either direction; undefined while the agent itself is at work. */
function movedOf({ request, reply }: Transfer, socket: Socket): number | undefined {
  if (!request.raw.complete) return socket.bytesRead;
  return reply.raw.headersSent && !reply.raw.writableFinished ? socket.bytesWritten : undefined;
}

function sweep(transfers: Set<Transfer>, { leastBytes, periodMs }: StallOptions): void {
  const now = performance.now();
  for (const transfer of transfers) {
    const socket = socketOf(transfer.request);
    const moved = socket === undefined ? undefined : movedOf(transfer, socket);
    if (moved === undefined || Math.abs(moved - transfer.moved) >= leastBytes) {
      transfer.moved = moved ?? 0;
      transfer.since = now;
    } else if (now - transfer.since > periodMs) {
      socket?.destroy();
    }
  }
}

/**
 * Keeps reading the refused body for a moment, so that the answer is not lost with the connection.
 */
function linger(request: FastifyRequest, lingerMs: number): void {
  const { raw } = request;
  if (raw.complete || raw.destroyed) return;
  raw.resume();
  const socket = socketOf(request);
  const timer = setTimeout(() => {
    if (!raw.complete) socket?.destroy();
  }, lingerMs);
  timer.unref();
}

export function endStalls(app: FastifyInstance, options: StallOptions): void {
  const transfers = new Set<Transfer>();
  app.addHook("onRequest", async (request, reply) => {
    if (PATIENT.has(request.routeOptions.url ?? "") || socketOf(request) === undefined) return;
    const transfer = { request, reply, moved: 0, since: performance.now() };
    transfers.add(transfer);
    reply.raw.once("close", () => transfers.delete(transfer));
  });
  app.addHook("onResponse", async (request) => linger(request, options.lingerMs));
  const timer = setInterval(() => sweep(transfers, options), options.periodMs / 6);
  timer.unref();
  options.stopping.addEventListener("abort", () => {
    for (const transfer of transfers) {
      const socket = socketOf(transfer.request);
      if (socket !== undefined && movedOf(transfer, socket) !== undefined) socket.destroy();
    }
  });
  app.addHook("onClose", async () => clearInterval(timer));
}
