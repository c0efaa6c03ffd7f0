/** Server-sent events: pages are told that something happened, and read themselves again. */
import { desc } from "drizzle-orm";
import type { ServerResponse } from "node:http";
import type { Context } from "../context.ts";
import { audit } from "../store/schema.ts";

const LOOK_MS = 3000;
/** Tabs that are told; the others are read again by hand. */
const MOST_LISTENERS = 200;

export interface Events {
  /** Answers with a stream until the tab or the server goes; false: there are too many. */
  listen(response: ServerResponse): boolean;
  close(): void;
}

/** One look at the audit log for all tabs, and none while there is no tab. */
export function openEvents({ store, report }: Context): Events {
  const listeners = new Set<ServerResponse>();
  let last: number | undefined;
  let timer: NodeJS.Timeout | undefined;

  const look = async () => {
    const [row] = await store.db
      .select({ id: audit.id })
      .from(audit)
      .orderBy(desc(audit.id))
      .limit(1);
    const id = row?.id ?? 0;
    const text =
      last !== undefined && id > last ? "event: change\ndata: audit\n\n" : ": still here\n\n";
    last = id;
    for (const listener of listeners) listener.write(text);
  };
  const schedule = () => {
    if (timer !== undefined || listeners.size === 0) return;
    timer = setTimeout(() => {
      void look()
        .catch((error: unknown) => report("looking for events", String(error)))
        .finally(() => {
          timer = undefined;
          schedule();
        });
    }, LOOK_MS);
    timer.unref();
  };
  return {
    listen: (response) => {
      if (listeners.size >= MOST_LISTENERS) return false;
      // A client that left while it was looked up closes no more.
      if (response.destroyed) return true;
      response.writeHead(200, {
        "content-type": "text/event-stream",
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
      });
      response.write("retry: 5000\n\n");
      listeners.add(response);
      response.on("close", () => listeners.delete(response));
      schedule();
      return true;
    },
    close: () => {
      clearTimeout(timer);
      for (const listener of listeners) listener.end();
      listeners.clear();
    },
  };
}
