/** Limits how many operations run at a time. */

export type Limiter = <T>(run: () => Promise<T>) => Promise<T>;

/**
 * Copies of whole disks and syncs of whole memories keep a thread of libuv's pool (four of them)
 * busy for seconds; small reads and writes must still get one.
 */
export function limiter(atOnce: number): Limiter {
  let running = 0;
  const waiting: (() => void)[] = [];
  return async (run) => {
    if (running >= atOnce) await new Promise<void>((next) => waiting.push(next));
    else running += 1;
    try {
      return await run();
    } finally {
      const next = waiting.shift();
      if (next === undefined) running -= 1;
      else next();
    }
  };
}
