/** A function as blocks: stretches of instructions that run from first to last. */
import { Flow, type CodeTable } from "../code/codes.ts";
import type { FunctionCode } from "../code/function-code.ts";
import type { IcedReader } from "../code/iced-reader.ts";
import { shortFlow } from "../code/short-flow.ts";
import { decodeShort, short } from "../code/short.ts";
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
}

export interface FunctionBytes {
  readonly bytes: Buffer;
  readonly size: number;
  readonly code: FunctionCode;
  readonly table: CodeTable;
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
function decodeAll(f: FunctionBytes, iced: IcedReader): { decoded: Decoded; leaders: Set<number> } {
  const { size } = f;
  const decoded = {
    lengths: new Uint8Array(size),
    flows: new Uint8Array(size),
    targets: new Int32Array(size),
  };
  const { lengths, targets } = decoded;
  const leaders = new Set([0]);
  const work = [0];
  const lead = (offset: number) => {
    if (offset < 0 || offset >= size) return;
    leaders.add(offset);
    work.push(offset);
  };
  for (let from = work.pop(); from !== undefined; from = work.pop()) {
    for (let at = from; at < size && lengths[at] === 0;) {
      const flow = decodeAt(f, iced, at, decoded);
      const next = at + (lengths[at] ?? 0);
      const target = targets[at] ?? 0;
      if (isBranch(flow)) {
        lead(target);
        lead(next);
      } else if (flow === Flow.jump8 || flow === Flow.jump32) lead(target);
      else if (flow === Flow.jump) for (const offset of f.code.cases.get(next) ?? []) lead(offset);
      if (endsPath(flow) || (flow === Flow.call32 && f.endsAt(next, target))) break;
      at = next;
    }
  }
  return { decoded, leaders };
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
  { lengths, flows, targets }: Decoded,
  leaders: ReadonlySet<number>,
): { block: Block; leads: number[] } {
  const block: Block = {
    start,
    end: start,
    next: [],
    flow: Flow.next,
    leaves: false,
    meets: undefined,
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
  const { decoded, leaders } = decodeAll(f, iced);
  const starts = [...leaders].filter((at) => decoded.lengths[at] !== 0).toSorted((a, b) => a - b);
  const indices = new Map(starts.map((start, i) => [start, i]));
  const built = starts.map((start) => blockFrom(f, start, decoded, leaders));
  const blocks = built.map(({ block, leads }) => {
    block.next = leads.flatMap((offset) => indices.get(offset) ?? []);
    return block;
  });
  findMeetings(blocks);
  return blocks;
}
