/** Chance that can be repeated: the seed is printed, and EVENKEEL_SEED gives it again. */

/** mulberry32: numbers from 0 to below 1, the same for the same seed. */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b_79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** EVENKEEL_SEED, else a new seed; prints which. */
export function printedSeed(what: string): number {
  const seed = Number(process.env["EVENKEEL_SEED"] ?? Date.now() % 2 ** 31);
  process.stderr.write(`${what}: EVENKEEL_SEED=${seed}\n`);
  return seed;
}
