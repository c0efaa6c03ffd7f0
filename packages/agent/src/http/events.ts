/**
 * Events as a stream. Each reader gets what it reads; nothing is buffered for it except the ring
 * that all share. A reader that never reads costs a few kilobytes, and is disconnected.
 * https://html.spec.whatwg.org/multipage/server-sent-events.html
 */
import type { ServerResponse } from "node:http";
import { AgentError } from "../errors.ts";
import type { EventLog, KeptEvent } from "../events/log.ts";

/** Bytes that may wait in a reader's connection. */
const WAITING = 64 * 1024;
/**
 * A reader that reads nothing for this long is disconnected; it can come back with Last-Event-ID.
 */
const PATIENCE_MS = 30_000;
/** A comment now and then keeps the connection alive at both ends. */
const HEARTBEAT_MS = 15_000;
const MOST_READERS = 64;

export interface Streams {
  /** Throws TOO_MANY_READERS. */
  requireRoom(): void;
  open(response: ServerResponse, lastEventId: string | undefined): void;
  close(): void;
}

function frame(instance: string, { id, type, json }: KeptEvent): string {
  return `id: ${instance}-${id}\nevent: ${type}\ndata: ${json}\n\n`;
}

/** Where a reader resumes; `missed` if its last event was another agent's, or is unknown. */
function placeOf(events: EventLog, lastEventId: string | undefined) {
  if (lastEventId === undefined) return { next: events.last() + 1, missed: false };
  const [, of, id] = /^([0-9a-f]{8})-(\d{1,16})$/.exec(lastEventId) ?? [];
  if (of !== events.instance) return { next: 0, missed: true };
  return { next: Number(id) + 1, missed: false };
}

function follow(response: ServerResponse, events: EventLog, lastEventId: string | undefined): void {
  let { next, missed } = placeOf(events, lastEventId);
  let took = performance.now();
  response.write(": hello\n\n");
  const pump = () => {
    if (response.writableLength < WAITING) took = performance.now();
    while (response.writableLength < WAITING && next <= events.last()) {
      const event = events.from(next);
      if (event === undefined) break;
      if (missed || (event.id > next && next > 0)) response.write("event: missed\ndata: {}\n\n");
      missed = false;
      response.write(frame(events.instance, event));
      next = event.id + 1;
    }
    if (missed && response.writableLength < WAITING) {
      response.write("event: missed\ndata: {}\n\n");
      [missed, next] = [false, events.last() + 1];
    }
  };
  const stop = events.subscribe(pump);
  const heart = setInterval(() => {
    if (performance.now() - took > PATIENCE_MS) response.destroy();
    else if (response.writableLength < WAITING) response.write(": beat\n\n");
  }, HEARTBEAT_MS);
  heart.unref();
  response.on("drain", pump);
  response.once("close", () => {
    stop();
    clearInterval(heart);
  });
  pump();
}

export function eventStreams(events: EventLog): Streams {
  const open = new Set<ServerResponse>();
  return {
    requireRoom: () => {
      if (open.size < MOST_READERS) return;
      throw new AgentError("TOO_MANY_READERS", `${open.size} clients are already reading events`);
    },
    open: (response, lastEventId) => {
      response.writeHead(200, {
        "content-type": "text/event-stream; charset=utf-8",
        "cache-control": "no-store",
        // No other request will come here; a kept-alive connection would delay the agent's exit.
        connection: "close",
      });
      open.add(response);
      response.once("close", () => open.delete(response));
      follow(response, events, lastEventId);
    },
    close: () => {
      for (const response of open) response.end(() => response.destroy());
    },
  };
}
