/** A function as blocks: stretches of instructions that run from first to last. */
import { Decoder, DecoderOptions, Instruction } from "iced-x86";
import { Flow, learn, type CodeTable } from "../scan/codes.ts";
import type { FunctionCode } from "../scan/decode.ts";
import { decodeShort, short } from "./short.ts";
import { shortFlow } from "./short-flow.ts";

export interface Block {
  readonly start: number;
  /** Behind the last instruction. */
  end: number;
  /** Offsets of the instructions. */
  readonly instructions: number[];
  /** Indices of blocks: where a branch falls through to, then where it leads. */
  next: number[];
  /** How the last instruction ends the block. */
  flow: Flow;
  /** Whether the function's caller may be next: RET, or a jump out of the function. */
  leaves: boolean;
  /** Index of the block that every way from here to the function's end passes next. */
  meets: number | undefined;
}

interface Decoded {
  readonly length: number;
  readonly flow: Flow;
  /** Where a near branch leads, as an offset. */
  readonly target: number;
  /** Iced's code where the short decoder does not know it. */
  readonly code: number;
}

export interface FunctionBytes {
  readonly bytes: Buffer;
  readonly size: number;
  readonly code: FunctionCode;
  readonly table: CodeTable;
  /** Whether the call that ends there never comes back. */
  readonly endsAt: (next: number, target: number) => boolean;
  /** Where it was followed before. */
  readonly blocks?: Blocks | undefined;
}

const instruction = new Instruction();

function decodeAt(f: FunctionBytes, decoder: Decoder, at: number): Decoded {
  const length = decodeShort(f.bytes, at);
  if (length > 0) return { length, flow: shortFlow(), target: short.target, code: 0 };
  decoder.position = at;
  decoder.decodeOut(instruction);
  const { code } = instruction;
  const flow = (f.table.flows[code] || learn(f.table, code, instruction)) as Flow;
  const end = at + instruction.length;
  const near = flow === Flow.branch8 || flow === Flow.jump8;
  const far = flow === Flow.branch32 || flow === Flow.jump32 || flow === Flow.call32;
  const distance =
    end > f.bytes.length
      ? 0
      : near
        ? f.bytes.readInt8(end - 1)
        : far
          ? f.bytes.readInt32LE(end - 4)
          : 0;
  return { length: instruction.length, flow, target: end + distance, code };
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
function decodeAll(f: FunctionBytes): { decoded: Map<number, Decoded>; leaders: Set<number> } {
  const decoded = new Map<number, Decoded>();
  const leaders = new Set([0]);
  const decoder = new Decoder(64, f.bytes, DecoderOptions.None);
  const work = [0];
  const lead = (offset: number) => {
    if (offset < 0 || offset >= f.size) return;
    leaders.add(offset);
    work.push(offset);
  };
  try {
    for (let from = work.pop(); from !== undefined; from = work.pop()) {
      for (let at = from; at < f.size && !decoded.has(at);) {
        const one = decodeAt(f, decoder, at);
        decoded.set(at, one);
        const next = at + one.length;
        if (isBranch(one.flow)) {
          lead(one.target);
          lead(next);
        } else if (one.flow === Flow.jump8 || one.flow === Flow.jump32) lead(one.target);
        else if (one.flow === Flow.jump)
          for (const offset of f.code.cases.get(next) ?? []) lead(offset);
        if (endsPath(one.flow) || (one.flow === Flow.call32 && f.endsAt(next, one.target))) break;
        at = next;
      }
    }
  } finally {
    decoder.free();
  }
  return { decoded, leaders };
}

function blockFrom(
  f: FunctionBytes,
  start: number,
  decoded: ReadonlyMap<number, Decoded>,
  leaders: ReadonlySet<number>,
): { block: Block; leads: number[] } {
  const block: Block = {
    start,
    end: start,
    instructions: [],
    next: [],
    flow: Flow.next,
    leaves: false,
    meets: undefined,
  };
  let leads: number[] = [];
  for (let at = start; ;) {
    const one = decoded.get(at);
    if (one === undefined) {
      // It runs out of the function's end.
      block.leaves = at >= f.size;
      break;
    }
    block.instructions.push(at);
    at += one.length;
    block.end = at;
    block.flow = one.flow;
    const inside = one.target >= 0 && one.target < f.size;
    if (isBranch(one.flow)) {
      leads = inside ? [at, one.target] : [at];
      break;
    }
    if (one.flow === Flow.jump8 || one.flow === Flow.jump32) {
      if (inside) leads = [one.target];
      else block.leaves = true;
      break;
    }
    if (one.flow === Flow.jump) {
      leads = [...(f.code.cases.get(at) ?? [])];
      block.leaves = leads.length === 0;
      break;
    }
    if (endsPath(one.flow)) {
      block.leaves = one.flow === Flow.end && decodesAsReturn(f.bytes, at - one.length);
      break;
    }
    if (one.flow === Flow.call32 && f.endsAt(at, one.target)) break;
    if (leaders.has(at)) {
      leads = [at];
      break;
    }
  }
  return { block, leads };
}

function decodesAsReturn(bytes: Buffer, at: number): boolean {
  const length = decodeShort(bytes, at);
  return length > 0 && (short.opcode === 0xc3 || short.opcode === 0xc2);
}

export interface Blocks {
  readonly blocks: readonly Block[];
  readonly decoded: ReadonlyMap<number, Decoded>;
}

export function blocksOf(f: FunctionBytes): Blocks {
  const { decoded, leaders } = decodeAll(f);
  const starts = [...leaders].filter((at) => decoded.has(at)).toSorted((a, b) => a - b);
  const indices = new Map(starts.map((start, i) => [start, i]));
  const built = starts.map((start) => blockFrom(f, start, decoded, leaders));
  const blocks = built.map(({ block, leads }) => {
    block.next = leads.flatMap((offset) => indices.get(offset) ?? []);
    return block;
  });
  findMeetings(blocks);
  return { blocks, decoded };
}

/** The order in which blocks are left for good when all are visited from `root`. */
function postorder(root: number, edges: (index: number) => readonly number[]): number[] {
  const order: number[] = [];
  const seen = new Set([root]);
  const stack: { index: number; next: number }[] = [{ index: root, next: 0 }];
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    const to = edges(top.index)[top.next++];
    if (to === undefined) {
      order.push(top.index);
      stack.pop();
    } else if (!seen.has(to)) {
      seen.add(to);
      stack.push({ index: to, next: 0 });
    }
  }
  return order;
}

/**
 * Immediate postdominators. Source: Cooper, Harvey, Kennedy, "A Simple, Fast Dominance Algorithm",
 * on the graph with its edges turned round. Paths that never leave the function do not count.
 */
function findMeetings(blocks: readonly Block[]): void {
  const exit = blocks.length;
  const before: number[][] = [...blocks, undefined].map(() => []);
  for (const [i, { next, leaves }] of blocks.entries()) {
    for (const to of next) before[to]?.push(i);
    if (leaves) before[exit]?.push(i);
  }
  const order = postorder(exit, (i) => before[i] ?? []).toReversed();
  const rank = new Int32Array(exit + 1);
  for (const [i, index] of order.entries()) rank[index] = order.length - i;
  const nearest = new Int32Array(exit + 1).fill(-1);
  nearest[exit] = exit;
  const common = (a: number, b: number): number => {
    let [x, y] = [a, b];
    while (x !== y) {
      while ((rank[x] ?? 0) < (rank[y] ?? 0)) x = nearest[x] ?? exit;
      while ((rank[y] ?? 0) < (rank[x] ?? 0)) y = nearest[y] ?? exit;
    }
    return x;
  };
  for (let changed = true; changed;) {
    changed = false;
    for (const index of order) {
      if (index === exit) continue;
      const block = blocks[index];
      let met = block?.leaves === true ? exit : -1;
      for (const to of block?.next ?? []) {
        if (nearest[to] === -1) continue;
        met = met === -1 ? to : common(met, to);
      }
      if (met === -1 || nearest[index] === met) continue;
      nearest[index] = met;
      changed = true;
    }
  }
  for (const [i, block] of blocks.entries()) {
    const met = nearest[i] ?? -1;
    block.meets = met === exit || met === -1 ? undefined : met;
  }
}
