/** What happened, for whoever listens: a bounded ring, and everyone who reads along. */
import type { AgentEvent, AgentEventType } from "@evenkeel/api";

export interface EventLog {
  emit(type: AgentEventType, subject: string, data?: AgentEvent["data"]): void;
  /** Events after `id`, oldest first; `missed` where some of them are no longer kept. */
  since(id: number): { readonly events: readonly AgentEvent[]; readonly missed: boolean };
  /** The newest event's id. */
  last(): number;
  subscribe(listener: (event: AgentEvent) => void): () => void;
}

/**
 * Ids go up by one, from the clock's microseconds at the start: an id from before a restart is
 * smaller than all that follow, and its reader is told that events were missed.
 */
export function openEventLog(capacity: number, report: (event: AgentEvent) => void): EventLog {
  const first = Date.now() * 1000;
  const ring: AgentEvent[] = [];
  const listeners = new Set<(event: AgentEvent) => void>();
  let next = first;
  return {
    emit: (type, subject, data = {}) => {
      const event = { id: next, time: new Date().toISOString(), type, subject, data };
      next += 1;
      ring.push(event);
      if (ring.length > capacity) ring.shift();
      report(event);
      for (const listener of listeners) listener(event);
    },
    since: (id) => {
      const oldest = ring[0]?.id ?? next;
      return { events: ring.filter((event) => event.id > id), missed: id + 1 < oldest };
    },
    last: () => next - 1,
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
