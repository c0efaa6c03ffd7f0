/**
 * Reads what no path leads to: functions that are only called through a computed address, and data.
 * It cannot tell them apart, so that all it finds is doubtful.
 */
import { Decoder, DecoderOptions, Instruction } from "iced-x86";
import { Flow, learn, type CodeTable } from "./codes.ts";

const INT3 = 0xcc;
const PADDING_RUN = 4;

const instruction = new Instruction();

/** Four zero bytes decode as two additions that no program contains: they are data or padding. */
export function isZeros(bytes: Buffer, at: number): boolean {
  return bytes[at] === 0 && bytes[at + 1] === 0 && bytes[at + 2] === 0 && bytes[at + 3] === 0;
}

export interface Reader {
  readonly table: CodeTable;
  /** Over `bytes`, or over more that starts where they do. */
  readonly decoder: Decoder;
  readonly bytes: Buffer;
  readonly kernel: boolean;
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
  { table, decoder, bytes, kernel }: Reader,
  from: number,
  to: number,
  found: (code: number) => void,
): number {
  let pending: number[] = [];
  let at = from;
  decoder.position = from;
  while (at < to && !isZeros(bytes, at)) {
    decoder.decodeOut(instruction);
    const { code, length } = instruction;
    const flow = (table.flows[code] || learn(table, code, instruction)) as Flow;
    if (flow === Flow.invalid || (isOdd(flow) && !kernel) || at + length > to) return at;
    if (table.needs[code] !== 0) pending.push(code);
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
  reader: Reader,
  from: number,
  to: number,
  found: (code: number) => void,
): void {
  for (let at = from; at < to;) {
    at = afterPadding(reader.bytes, readStretch(reader, at, to, found), to);
  }
}

/** Offset of the first instruction that is not one of the NOPs that assemblers align with. */
function afterNops({ table, decoder, bytes }: Reader): number {
  let at = 0;
  decoder.position = 0;
  while (at < bytes.length) {
    decoder.decodeOut(instruction);
    const { code, length } = instruction;
    const flow = table.flows[code] || learn(table, code, instruction);
    if (flow !== Flow.nop) return at;
    at += length;
  }
  return bytes.length;
}

/**
 * Counts by code what the bytes between functions seem to need. Only behind padding: what stands
 * directly behind a function is as likely a table that belongs to it.
 */
export function readBetween(
  table: CodeTable,
  bytes: Buffer,
  kernel: boolean,
): ReadonlyMap<number, number> {
  const counts = new Map<number, number>();
  if (afterPadding(bytes, 0, bytes.length) === bytes.length) return counts;
  const decoder = new Decoder(64, bytes, DecoderOptions.None);
  const reader = { table, decoder, bytes, kernel };
  try {
    const from = afterPadding(bytes, afterNops(reader), bytes.length);
    readStretches(reader, from, bytes.length, (code) => {
      counts.set(code, (counts.get(code) ?? 0) + 1);
    });
    return counts;
  } finally {
    decoder.free();
  }
}
