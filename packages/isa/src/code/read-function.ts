/**
 * Reads one function: first what is reached from its start, then what lies between, if the
 * function's bounds are known. Never blindly: bytes that no path leads to stay unread.
 */
import {
  doubtfulCode,
  GRADES,
  NO_CASES,
  NO_CODES,
  NO_USES,
  type FunctionCode,
  type Grade,
  type GradeIndex,
} from "./function-code.ts";
import { readGaps } from "./gaps.ts";
import { drainAll } from "./paths.ts";
import type { Reading } from "./reading.ts";

function resultOf(reading: Reading, unread: number): FunctionCode {
  const { uses, straight, cases, cpuid, plainFloats, instructions, unknownAt } = reading;
  return {
    uses: uses.size === 0 ? NO_USES : uses,
    straight: straight.size === 0 ? NO_CODES : straight,
    targets: reading.targets.take(),
    straightTargets: reading.straightTargets.take(),
    references: reading.references.take(),
    taken: reading.taken.take(),
    slots: reading.slots.take(),
    written: reading.written.take(),
    cases: cases.size === 0 ? NO_CASES : cases,
    cpuid,
    plainFloats,
    instructions,
    unknownAt,
    unread,
    extent: reading.extent - reading.from,
  };
}

/** What seemed a function is data. */
function notCode({ uses }: Reading): FunctionCode {
  const counts = new Map<number, number>();
  for (const [key, n] of uses) {
    const code = Math.floor(key / 3);
    counts.set(code, (counts.get(code) ?? 0) + n);
  }
  return doubtfulCode(counts);
}

export interface Extent {
  /** Offsets in the region's bytes; the end is not included. */
  readonly from: number;
  readonly to: number;
  /** Whether a symbol or a frame says where the function ends: then gaps are read too. */
  readonly bounded: boolean;
  /** How sure it is that the start is a function's. */
  readonly sure: Grade;
}

export function readFunction(reading: Reading, { from, to, bounded, sure }: Extent): FunctionCode {
  reading.begin(from, to);
  reading.work.push(from);
  drainAll(reading, GRADES.indexOf(sure) as GradeIndex);
  if (reading.broken && sure !== "certain") return notCode(reading);
  return resultOf(reading, bounded ? readGaps(reading) : 0);
}
