/** Who waits for what in this process: woken when it is there, or when the time is up. */
import { setTimeout as sleep } from "node:timers/promises";
import { ServerError } from "../errors.ts";

export interface Signals {
  /** Settles when the key is woken, or after the time. Throws STOPPING once closed. */
  wait(key: string, milliseconds: number): Promise<void>;
  wake(key: string): void;
  /** Keys that somebody waits for. */
  waiting(prefix: string): string[];
  /** Wakes all, and lets nobody wait any more. */
  close(): void;
}

export function openSignals(): Signals {
  const waiters = new Map<string, Set<() => void>>();
  let closed = false;
  return {
    wait: async (key, milliseconds) => {
      if (closed) throw new ServerError("STOPPING", "the server is about to stop");
      const over = new AbortController();
      const wake = () => over.abort();
      const own = waiters.get(key) ?? new Set();
      waiters.set(key, own.add(wake));
      await sleep(milliseconds, undefined, { signal: over.signal }).catch(() => undefined);
      own.delete(wake);
      if (own.size === 0 && waiters.get(key) === own) waiters.delete(key);
    },
    wake: (key) => {
      for (const wake of waiters.get(key) ?? []) wake();
    },
    waiting: (prefix) =>
      [...waiters.keys()]
        .filter((key) => key.startsWith(prefix))
        .map((key) => key.slice(prefix.length)),
    close: () => {
      closed = true;
      for (const own of waiters.values()) for (const wake of own) wake();
    },
  };
}
