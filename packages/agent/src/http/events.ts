/**
 * Events as a stream. https://html.spec.whatwg.org/multipage/server-sent-events.html
 */
import type { ServerResponse } from "node:http";
import type { AgentEvent } from "@evenkeel/api";
import type { EventLog } from "../events/log.ts";

/** A reader that is this far behind is let go; it comes back with Last-Event-ID. */
const BEHIND_LIMIT = 1024 * 1024;
/** A comment now and then tells both ends that the other is there. */
const HEARTBEAT_MS = 15_000;

function frame({ id, type, ...rest }: AgentEvent): string {
  return `id: ${id}\nevent: ${type}\ndata: ${JSON.stringify({ id, type, ...rest })}\n\n`;
}

export interface Streams {
  open(response: ServerResponse, lastEventId: string | undefined): void;
  close(): void;
}

export function eventStreams(events: EventLog): Streams {
  const open = new Set<ServerResponse>();
  const send = (response: ServerResponse, text: string) => {
    if (response.writableLength > BEHIND_LIMIT) response.destroy();
    else response.write(text);
  };
  return {
    open: (response, lastEventId) => {
      response.writeHead(200, {
        "content-type": "text/event-stream; charset=utf-8",
        "cache-control": "no-store",
        // Nothing else will be asked here; a connection kept alive would hold up the agent's end.
        connection: "close",
      });
      const asked = Number(lastEventId ?? "");
      const after = /^\d{1,16}$/.test(lastEventId ?? "") ? asked : events.last();
      const { events: missed, missed: lost } = events.since(after);
      response.write(lost ? "event: missed\ndata: {}\n\n" : ": hello\n\n");
      for (const event of missed) send(response, frame(event));
      const stop = events.subscribe((event) => send(response, frame(event)));
      const heart = setInterval(() => send(response, ": beat\n\n"), HEARTBEAT_MS);
      heart.unref();
      open.add(response);
      response.once("close", () => {
        stop();
        clearInterval(heart);
        open.delete(response);
      });
    },
    close: () => {
      for (const response of open) response.end(() => response.destroy());
    },
  };
}
