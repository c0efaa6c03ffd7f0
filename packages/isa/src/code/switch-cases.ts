/** Finds the cases of computed jumps while a function is read. */
import { Flow } from "./codes.ts";
import { addressesAt, distancesAt } from "./jump-tables.ts";
import type { Reading, Switch } from "./reading.ts";
import { shortFlow } from "./short-flow.ts";
import { decodeShort, NO_REGISTER, short } from "./short.ts";
import { isOdd, isZeros } from "./stretches.ts";

/** The table's address was taken not long before the jump. */
const LATEST = 4;

/** Reads the table of the computed jump that was decoded last, if one can be found. */
export function readCases(reading: Reading, next: number): void {
  const { image, from, to, base } = reading;
  if (image === undefined || reading.cases.has(next - from)) return;
  const { memory, base: register, index, displacement, opcode } = short;
  if (opcode !== 0xff) return;
  const bounds = {
    start: base + from,
    end: base + to,
    cases: reading.compared <= 0 ? undefined : reading.compared + 1,
  };
  const fixed = image.fixed && memory && register === NO_REGISTER && index !== NO_REGISTER;
  const tables = fixed ? [displacement] : reading.taken.latest(LATEST);
  for (const table of tables) {
    const distances = fixed ? [] : distancesAt(image, table, bounds);
    const found = distances.length < 2 ? addressesAt(image, table, bounds) : distances;
    if (found.length < 2) continue;
    const cases = [...new Set(found.map((address) => address - base))];
    reading.switched.push({ next, cases, counted: bounds.cases !== undefined });
    noteCases(reading, next, cases);
    return;
  }
}

function noteCases({ cases, from }: Reading, next: number, offsets: readonly number[]): void {
  const own = offsets.map((offset) => offset - from);
  cases.set(next - from, own);
}

/** The cases that are believed to be some; the others are forgotten. */
export function credibleCases(reading: Reading, { next, cases, counted }: Switch) {
  // Behind a table whose length is not known there may be another one.
  const credible = counted ? cases : cases.filter((offset) => startsPath(reading, offset));
  noteCases(reading, next, credible);
  return credible;
}

/** Enough instructions to tell code from what is no code. */
const TRIAL = 24;

/** Whether the bytes from an offset read as code and fit what was read before. */
function startsPath(reading: Reading, start: number): boolean {
  const { bytes, seen, from, to } = reading;
  let at = start;
  for (let i = 0; i < TRIAL && at < to; i++) {
    const known = seen[at - from];
    if (known !== 0) return known === 1;
    if (isZeros(bytes, at)) return false;
    let length = decodeShort(bytes, at);
    let flow = shortFlow();
    if (length === 0) {
      flow = reading.decodeIced(at);
      if (flow === Flow.invalid || (isOdd(flow) && !reading.kernel)) return false;
      ({ length } = reading.iced.instruction);
    }
    at += length;
    if (flow === Flow.end || flow === Flow.jump) return true;
    if (flow === Flow.jump8 || flow === Flow.jump32) return true;
  }
  return true;
}
