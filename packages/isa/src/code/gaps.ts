/** Reads what lies between the paths through a function whose bounds are known. */
import { Flow } from "./codes.ts";
import { DOUBTFUL, LIKELY } from "./function-code.ts";
import { drainAll } from "./paths.ts";
import type { Reading } from "./reading.ts";
import { decodeShort } from "./short.ts";
import { isOdd, isZeros, readStretches } from "./stretches.ts";

/** Whether the bytes from `start` read as code, one instruction after another, to `end` exactly. */
function readsAsCode(reading: Reading, start: number, end: number): boolean {
  const { bytes } = reading;
  let at = start;
  while (at < end) {
    if (isZeros(bytes, at)) return false;
    const length = decodeShort(bytes, at);
    at += length;
    if (length > 0) continue;
    const flow = reading.decodeIced(at);
    if (flow === Flow.invalid || (isOdd(flow) && !reading.kernel)) return false;
    at += reading.iced.instruction.length;
  }
  return at === end;
}

/** Reads the gaps that no branch led to. Returns how many bytes are not code. */
export function readGaps(reading: Reading): number {
  const { seen, from } = reading;
  const size = reading.to - from;
  let unread = 0;
  for (let first = seen.indexOf(0); first !== -1 && first < size;) {
    let last = first + 1;
    while (last < size && seen[last] === 0) last += 1;
    if (readsAsCode(reading, from + first, from + last)) {
      // One path after another: each instruction of the gap is then read once.
      for (let next = first; next < last; next++) {
        if (seen[next] !== 0) continue;
        reading.work.push(from + next);
        drainAll(reading, LIKELY);
      }
    } else {
      readStretches(reading, from + first, from + last, (code) => reading.count(code, DOUBTFUL));
      unread += last - first;
    }
    first = seen.indexOf(0, last);
  }
  return unread;
}
