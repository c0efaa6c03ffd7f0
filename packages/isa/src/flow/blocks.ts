/** A function as blocks: stretches of instructions that run from first to last. */
import { Flow, type CodeTable } from "../code/codes.ts";
import type { FunctionCode } from "../code/function-code.ts";
import type { IcedReader } from "../code/iced-reader.ts";
import { shortFlow } from "../code/short-flow.ts";
import { decodeShort, short } from "../code/short.ts";
import { isOdd, isZeros } from "../code/stretches.ts";
import { findMeetings } from "./meetings.ts";

export interface Block {
  readonly start: number;
  /** Behind the last instruction. */
  end: number;
  /** Indices of blocks: where a branch falls through to, then where it leads. */
  next: number[];
  /** How the last instruction ends the block. */
  flow: Flow;
  /** Whether the function's caller may be next: RET, or a jump out of the function. */
  leaves: boolean;
  /** Index of the block that every way from here to the function's end passes next. */
  meets: number | undefined;
  /** Whether a way from here leads to the function's end. */
  returns: boolean;
  /** Whether nothing is known to lead here that is code all the same: exceptions, `goto *p`. */
  readonly root: boolean;
}

export interface FunctionBytes {
  readonly bytes: Buffer;
  readonly size: number;
  readonly code: FunctionCode;
  readonly table: CodeTable;
  /** Whether all of its bytes are known to be its own: then those that no path leads to count. */
  readonly gaps: boolean;
  /** Whether the call that ends there never comes back. */
  readonly endsAt: (next: number, target: number) => boolean;
}

/** By offset: how long the instruction there is (0: none was read), and what comes after it. */
interface Decoded {
  readonly lengths: Uint8Array;
  readonly flows: Uint8Array;
  /** Where near branches lead, as offsets. */
  readonly targets: Int32Array;
}

/** Where a near branch of iced's leads that ends at `end`. */
function icedTarget(bytes: Buffer, flow: Flow, end: number): number {
  if (end > bytes.length) return end;
  if (flow === Flow.branch8 || flow === Flow.jump8) return end + bytes.readInt8(end - 1);
  const wide = flow === Flow.branch32 || flow === Flow.jump32 || flow === Flow.call32;
  return wide ? end + bytes.readInt32LE(end - 4) : end;
}

function decodeAt(f: FunctionBytes, iced: IcedReader, at: number, into: Decoded): Flow {
  let length = decodeShort(f.bytes, at);
  let flow = shortFlow();
  let { target } = short;
  if (length === 0) {
    flow = iced.decode(at);
    ({ length } = iced.instruction);
    target = icedTarget(f.bytes, flow, at + length);
  }
  into.lengths[at] = length;
  into.flows[at] = flow;
  into.targets[at] = target;
  return flow;
}

/** Whether the path ends there: nothing is executed behind it but by a jump to it. */
function endsPath(flow: Flow): boolean {
  return (
    flow === Flow.end ||
    flow === Flow.jump ||
    flow === Flow.jump8 ||
    flow === Flow.jump32 ||
    flow === Flow.invalid ||
    flow === Flow.halt
  );
}

function isBranch(flow: Flow): boolean {
  return flow === Flow.branch8 || flow === Flow.branch32;
}

/** Decodes all that branches lead to; `leaders` are where blocks begin. */
function decodeAll(f: FunctionBytes, iced: IcedReader): Layout {
  const { size } = f;
  const decoded = {
    lengths: new Uint8Array(size),
    flows: new Uint8Array(size),
    targets: new Int32Array(size),
  };
  const { lengths, targets } = decoded;
  const leaders = new Set<number>();
  const work: number[] = [];
  const lead = (offset: number) => {
    if (offset < 0 || offset >= size) return;
    leaders.add(offset);
    work.push(offset);
  };
  const drain = () => {
    for (let from = work.pop(); from !== undefined; from = work.pop()) descend(from);
  };
  const descend = (from: number) => {
    for (let at = from; at < size && lengths[at] === 0;) {
      const flow = decodeAt(f, iced, at, decoded);
      const next = at + (lengths[at] ?? 0);
      const target = targets[at] ?? 0;
      if (isBranch(flow)) {
        lead(target);
        lead(next);
      } else if (flow === Flow.jump8 || flow === Flow.jump32) lead(target);
      else if (flow === Flow.jump) for (const offset of f.code.cases.get(next) ?? []) lead(offset);
      if (endsPath(flow) || (flow === Flow.call32 && f.endsAt(next, target))) return;
      at = next;
    }
  };
  lead(0);
  drain();
  const roots = new Set([0]);
  for (let gap = gapFrom(f, iced, decoded, 0); gap !== undefined;) {
    roots.add(gap);
    lead(gap);
    drain();
    gap = gapFrom(f, iced, decoded, gap);
  }
  return { decoded, leaders, roots };
}

/** The next bytes from an offset on that no path led to and that read as code: not padding. */
function gapFrom(
  f: FunctionBytes,
  iced: IcedReader,
  { lengths }: Decoded,
  from: number,
): number | undefined {
  if (!f.gaps) return undefined;
  for (let at = from; at < f.size;) {
    const known = lengths[at] ?? 0;
    if (known > 0) {
      at += known;
      continue;
    }
    let end = at;
    while (end < f.size && lengths[end] === 0) end += 1;
    const start = codeBetween(f, iced, at, end);
    if (start !== undefined) return start;
    at = end;
  }
  return undefined;
}

/** Where the first instruction is that is no NOP, if all are known to its end. */
function codeBetween(
  { bytes }: FunctionBytes,
  iced: IcedReader,
  from: number,
  to: number,
): number | undefined {
  let first: number | undefined;
  let at = from;
  while (at < to) {
    if (isZeros(bytes, at)) return undefined;
    const length = decodeShort(bytes, at);
    const flow = length > 0 ? shortFlow() : iced.decode(at);
    if (flow === Flow.invalid || isOdd(flow)) return undefined;
    if (first === undefined && flow !== Flow.nop && bytes[at] !== INT3) first = at;
    at += length > 0 ? length : iced.instruction.length;
  }
  return at === to ? first : undefined;
}

const INT3 = 0xcc;

interface Layout {
  readonly decoded: Decoded;
  readonly leaders: ReadonlySet<number>;
  readonly roots: ReadonlySet<number>;
}

/** What is behind the block's last instruction, which is at `at` and ends at `block.end`. */
function endOf(f: FunctionBytes, block: Block, at: number, target: number): number[] | undefined {
  const { flow, end } = block;
  const inside = target >= 0 && target < f.size;
  if (isBranch(flow)) return inside ? [end, target] : [end];
  if (flow === Flow.jump8 || flow === Flow.jump32) {
    if (inside) return [target];
    block.leaves = true;
    return [];
  }
  if (flow === Flow.jump) {
    const leads = [...(f.code.cases.get(end) ?? [])];
    block.leaves = leads.length === 0;
    return leads;
  }
  if (endsPath(flow)) {
    block.leaves = flow === Flow.end && decodesAsReturn(f.bytes, at);
    return [];
  }
  return flow === Flow.call32 && f.endsAt(end, target) ? [] : undefined;
}

function blockFrom(
  f: FunctionBytes,
  start: number,
  { decoded: { lengths, flows, targets }, leaders, roots }: Layout,
): { block: Block; leads: number[] } {
  const block: Block = {
    start,
    end: start,
    next: [],
    flow: Flow.next,
    leaves: false,
    meets: undefined,
    returns: false,
    root: roots.has(start),
  };
  for (let at = start; ;) {
    const length = lengths[at] ?? 0;
    if (length === 0) {
      // It runs out of the function's end.
      block.leaves = at >= f.size;
      return { block, leads: [] };
    }
    block.end = at + length;
    block.flow = flows[at] as Flow;
    const leads = endOf(f, block, at, targets[at] ?? 0);
    if (leads !== undefined) return { block, leads };
    at = block.end;
    if (leaders.has(at)) return { block, leads: [at] };
  }
}

function decodesAsReturn(bytes: Buffer, at: number): boolean {
  const length = decodeShort(bytes, at);
  return length > 0 && (short.opcode === 0xc3 || short.opcode === 0xc2);
}

export function blocksOf(f: FunctionBytes, iced: IcedReader): readonly Block[] {
  const layout = decodeAll(f, iced);
  const { decoded, leaders } = layout;
  const starts = [...leaders].filter((at) => decoded.lengths[at] !== 0).toSorted((a, b) => a - b);
  const indices = new Map(starts.map((start, i) => [start, i]));
  const built = starts.map((start) => blockFrom(f, start, layout));
  const blocks = built.map(({ block, leads }) => {
    block.next = leads.flatMap((offset) => indices.get(offset) ?? []);
    return block;
  });
  findMeetings(blocks);
  return blocks;
}
