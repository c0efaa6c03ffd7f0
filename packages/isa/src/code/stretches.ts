/**
 * Reads what no path leads to: functions that are only called through a computed address, and data.
 * It cannot tell them apart, so that all it finds is doubtful.
 */
import { Flow } from "./codes.ts";
import type { Reading } from "./reading.ts";
import { shortFlow } from "./short-flow.ts";
import { decodeShort } from "./short.ts";

const INT3 = 0xcc;
const PADDING_RUN = 4;

/** Four zero bytes decode as two additions that no program contains: they are data or padding. */
export function isZeros(bytes: Buffer, at: number): boolean {
  return bytes[at] === 0 && bytes[at + 1] === 0 && bytes[at + 2] === 0 && bytes[at + 3] === 0;
}

/** The offset behind the next run of zeros or INT3, where code may start; `to` where none is. */
function afterPadding(bytes: Buffer, from: number, to: number): number {
  let run = 0;
  for (let at = from; at < to; at++) {
    const byte = bytes[at];
    const goesOn = run > 0 && byte === bytes[at - 1];
    if (!goesOn && run >= PADDING_RUN) return at;
    if (byte === 0 || byte === INT3) run = goesOn ? run + 1 : 1;
    else run = 0;
  }
  return to;
}

const LEAVES: ReadonlySet<Flow> = new Set([Flow.end, Flow.jump, Flow.jump8, Flow.jump32]);

/** Among bytes that nothing is known to lead to, what only kernels execute is a sign of data. */
export function isOdd(flow: Flow): boolean {
  return flow === Flow.odd || flow === Flow.halt;
}

/**
 * Calls `found` for each instruction from `from` on that needs features, as far as it reads as
 * code: to `to`, or to the last jump or return before something that no program contains. Bytes
 * that only begin like code are none. Returns where it stopped.
 */
function readStretch(
  reading: Reading,
  from: number,
  to: number,
  found: (code: number) => void,
): number {
  const { bytes, kernel, table } = reading;
  let pending: number[] = [];
  let at = from;
  while (at < to && !isZeros(bytes, at)) {
    let length = decodeShort(bytes, at);
    let flow = shortFlow();
    if (length === 0) {
      flow = reading.decodeIced(at);
      const { code } = reading.iced.instruction;
      ({ length } = reading.iced.instruction);
      if (flow === Flow.invalid || (isOdd(flow) && !kernel)) return at;
      if (table.needs[code] !== 0 && at + length <= to) pending.push(code);
    }
    if (at + length > to) return at;
    at += length;
    if (LEAVES.has(flow) || at === to) {
      for (const needing of pending) found(needing);
      pending = [];
    }
  }
  return at;
}

/** {@link readStretch} from `from`, and again behind each run of padding. */
export function readStretches(
  reading: Reading,
  from: number,
  to: number,
  found: (code: number) => void,
): void {
  for (let at = from; at < to;) {
    at = afterPadding(reading.bytes, readStretch(reading, at, to, found), to);
  }
}

/** Offset of the first instruction that is not one of the NOPs that assemblers align with. */
function afterNops(reading: Reading, from: number, to: number): number {
  for (let at = from; at < to;) {
    const length = decodeShort(reading.bytes, at);
    const flow = length === 0 ? reading.decodeIced(at) : shortFlow();
    if (flow !== Flow.nop) return at;
    at += length === 0 ? reading.iced.instruction.length : length;
  }
  return to;
}

/**
 * Counts by code what the bytes between functions seem to need. Only behind padding: what stands
 * directly behind a function is as likely a table that belongs to it.
 */
export function readBetween(
  reading: Reading,
  from: number,
  to: number,
): ReadonlyMap<number, number> {
  const counts = new Map<number, number>();
  if (afterPadding(reading.bytes, from, to) === to) return counts;
  const start = afterPadding(reading.bytes, afterNops(reading, from, to), to);
  readStretches(reading, start, to, (code) => counts.set(code, (counts.get(code) ?? 0) + 1));
  return counts;
}
