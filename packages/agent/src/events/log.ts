/** Events for readers: a ring buffer, bounded in number and bytes. */
import { randomBytes } from "node:crypto";
import type { AgentEvent, AgentEventType } from "@evenkeel/api";

export interface KeptEvent {
  readonly id: number;
  readonly type: AgentEventType;
  /** The event as JSON, once for all readers. */
  readonly json: string;
}

export interface EventLog {
  /** Distinguishes the events of one agent process from another's: clocks may go backwards. */
  readonly instance: string;
  emit(type: AgentEventType, subject: string, data?: AgentEvent["data"]): void;
  /** The oldest event that is kept, from `id` on; undefined where there is none yet. */
  from(id: number): KeptEvent | undefined;
  /** The newest event's id. */
  last(): number;
  subscribe(listener: () => void): () => void;
}

/** The largest event; anything larger is caused by a guest or a caller. */
const MOST_BYTES = 64 * 1024;
/** The total size of all kept events. */
const RING_BYTES = 8 * 1024 * 1024;

function jsonOf(event: AgentEvent): string {
  const json = JSON.stringify(event);
  if (json.length <= MOST_BYTES) return json;
  return JSON.stringify({ ...event, data: { leftOut: `${json.length} characters` } });
}

/** Ids go up by one, from the clock's microseconds at the start. */
export function openEventLog(capacity: number, report: (event: AgentEvent) => void): EventLog {
  const ring: KeptEvent[] = [];
  const listeners = new Set<() => void>();
  let next = Date.now() * 1000;
  let bytes = 0;
  return {
    instance: randomBytes(4).toString("hex"),
    emit: (type, subject, data = {}) => {
      const event = { id: next, time: new Date().toISOString(), type, subject, data };
      next += 1;
      const json = jsonOf(event);
      ring.push({ id: event.id, type, json });
      bytes += json.length;
      while (ring.length > capacity || bytes > RING_BYTES) bytes -= ring.shift()?.json.length ?? 0;
      report(event);
      for (const listener of listeners) listener();
    },
    from: (id) => {
      const first = ring[0]?.id ?? next;
      return ring[Math.max(0, id - first)];
    },
    last: () => next - 1,
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
