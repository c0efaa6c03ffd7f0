/** How often a guest may make the agent do something: a bucket that fills again with time. */

export interface Allowance {
  /** Takes one; false where there is none left. `now`: monotonic milliseconds. */
  take(now: number): boolean;
}

/** `burst` at once, then one every `refillMs`. */
export function allowance(burst: number, refillMs: number): Allowance {
  let left = burst;
  let filled = 0;
  return {
    take: (now) => {
      if (left === burst) filled = now;
      const gained = Math.floor((now - filled) / refillMs);
      left = Math.min(burst, left + gained);
      filled += gained * refillMs;
      if (left === 0) return false;
      left -= 1;
      return true;
    },
  };
}
