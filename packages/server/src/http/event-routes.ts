/**
 * `GET /v1/events`: the audit log as it is written, by whichever server; Last-Event-ID goes on where
 * a reader left off.
 */
import type { ServerResponse } from "node:http";
import { asc, desc, gt } from "drizzle-orm";
import { FLEET_ROUTES } from "@evenkeel/api/fleet";
import type { Context } from "../context.ts";
import { messageOf, ServerError } from "../errors.ts";
import { audit } from "../store/schema.ts";
import type { App } from "./server.ts";

/** Other servers write, too: the store is looked at as long as somebody reads. */
const LOOK_MS = 500;
const MOST_READERS = 100;
const AT_ONCE = 500;
/** Bytes that a reader may lag behind before it is let go; it comes back with its last id. */
const LAG = 4 * 1024 * 1024;
const BEAT_MS = 15_000;

interface Reader {
  readonly response: ServerResponse;
  next: number;
}

type Entry = typeof audit.$inferSelect;

function frame({ id, time, actor, action, subject, data }: Entry): string {
  const body = JSON.stringify({ id, time: time.toISOString(), actor, action, subject, data });
  return `id: ${id}\nevent: ${action}\ndata: ${body}\n\n`;
}

function openReaders({ store, report }: Context) {
  const readers = new Set<Reader>();
  let timer: NodeJS.Timeout | undefined;
  let isLooking = false;

  const look = async () => {
    const from = Math.min(...[...readers].map(({ next }) => next));
    const rows = await store.db
      .select()
      .from(audit)
      .where(gt(audit.id, from))
      .orderBy(asc(audit.id))
      .limit(AT_ONCE);
    for (const reader of readers) {
      for (const row of rows) {
        if (row.id <= reader.next) continue;
        reader.response.write(frame(row));
        reader.next = row.id;
      }
      if (reader.response.writableLength > LAG) reader.response.destroy();
    }
  };
  const tick = () => {
    if (isLooking || readers.size === 0) return;
    isLooking = true;
    look()
      .catch((error: unknown) => report("events", messageOf(error)))
      .finally(() => {
        isLooking = false;
      });
  };
  const leave = (reader: Reader) => {
    readers.delete(reader);
    if (readers.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };
  return {
    requireRoom: () => {
      if (readers.size < MOST_READERS) return;
      throw new ServerError("TOO_MANY", `${readers.size} clients are already reading events`);
    },
    add: (response: ServerResponse, next: number) => {
      // A client that left while it was looked up closes no more.
      if (response.destroyed) return;
      const reader = { response, next };
      const beat = setInterval(() => response.write(": beat\n\n"), BEAT_MS).unref();
      readers.add(reader);
      timer ??= setInterval(tick, LOOK_MS).unref();
      response.on("error", () => undefined);
      response.once("close", () => {
        clearInterval(beat);
        leave(reader);
      });
      tick();
    },
    close: () => {
      clearInterval(timer);
      for (const { response } of readers) response.end();
    },
  };
}

export function addEventRoutes(app: App, context: Context): void {
  const readers = openReaders(context);
  app.addHook("preClose", async () => readers.close());
  app.route({
    ...FLEET_ROUTES.events,
    handler: async (request, reply) => {
      readers.requireRoom();
      const given = request.headers["last-event-id"];
      const last =
        typeof given === "string" && /^\d{1,15}$/.test(given) ? Number(given) : undefined;
      const [newest] = await context.store.db
        .select({ id: audit.id })
        .from(audit)
        .orderBy(desc(audit.id))
        .limit(1);
      reply.hijack();
      reply.raw.writeHead(200, {
        "content-type": "text/event-stream; charset=utf-8",
        "cache-control": "no-store",
        connection: "close",
      });
      reply.raw.write(": hello\n\n");
      readers.add(reply.raw, last ?? newest?.id ?? 0);
      return reply;
    },
  });
}
