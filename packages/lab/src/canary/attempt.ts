/** Executing a row's instruction and checking what it computed. */
import { Code, Register as R } from "iced-x86";
import { assemble, at, branch, call, load, op, reg, set, store, type Item } from "./assembler.ts";
import type { Data } from "./data.ts";
import { fold } from "./inputs.ts";
import { WIDTHS, type CanaryRow, type Shape } from "./row.ts";
import type { Places } from "./routines.ts";

export interface Operands {
  readonly a: number;
  readonly b: number;
}

const VECTORS = {
  xmm: {
    move: [Code.Movdqu_xmm_xmmm128, Code.Movdqu_xmmm128_xmm],
    clear: reg(Code.Pxor_xmm_xmmm128, R.XMM0, R.XMM0),
    registers: [R.XMM0, R.XMM1, R.XMM2],
  },
  ymm: {
    move: [Code.VEX_Vmovdqu_ymm_ymmm256, Code.VEX_Vmovdqu_ymmm256_ymm],
    clear: reg(Code.VEX_Vxorps_ymm_ymm_ymmm256, R.YMM0, R.YMM0, R.YMM0),
    registers: [R.YMM0, R.YMM1, R.YMM2],
  },
  zmm: {
    move: [Code.EVEX_Vmovdqu64_zmm_k1z_zmmm512, Code.EVEX_Vmovdqu64_zmmm512_k1z_zmm],
    clear: reg(Code.EVEX_Vpxord_zmm_k1z_zmm_zmmm512b32, R.ZMM0, R.ZMM0, R.ZMM0),
    registers: [R.ZMM0, R.ZMM1, R.ZMM2],
  },
} as const;

function loadOperands(shape: Shape, { a, b }: Operands): Item[] {
  if (shape === "integer") {
    return [
      load(Code.Mov_r64_rm64, R.RCX, at(a)),
      load(Code.Mov_r64_rm64, R.RDX, at(b)),
      reg(Code.Xor_r32_rm32, R.EAX, R.EAX),
    ];
  }
  const { move, clear, registers } = VECTORS[shape];
  return [load(move[0], registers[1], at(a)), load(move[0], registers[2], at(b)), clear];
}

/** Brings the result into RAX as one number. */
function foldResult(shape: Shape, { result }: Places): Item[] {
  if (shape === "integer") return [];
  const { move, registers } = VECTORS[shape];
  return [
    store(move[1], at(result), registers[0]),
    ...(shape === "xmm" ? [] : [op(Code.VEX_Vzeroupper)]),
    set(R.RCX, WIDTHS[shape]),
    call("fold"),
  ];
}

/** The feature and the instruction, as the canary prints them. */
export function rowName({ feature, instruction }: CanaryRow): string {
  return `${feature} ${instruction}`;
}

/** The routine of one row, assembled in three parts so that it knows its instruction's address. */
export function attempt(
  row: CanaryRow,
  data: Data,
  places: Places,
  operands: Operands,
  address: number,
  routines: ReadonlyMap<string, number>,
): Uint8Array {
  const { shape, prepare = [], body, result } = row;
  const name = data.text(rowName(row));
  const before = [
    set(R.RAX, name.address),
    store(Code.Mov_rm64_r64, at(places.currentName), R.RAX),
    set(R.RAX, name.length),
    store(Code.Mov_rm64_r64, at(places.currentLength), R.RAX),
    ...loadOperands(shape, operands),
    ...prepare,
  ];
  const head = assemble(before, address, routines);
  const tried = address + head.length;
  const middle = assemble(body, tried, routines);
  const after = [
    ...foldResult(shape, places),
    set(R.RDX, typeof result === "bigint" ? result : fold(result)),
    reg(Code.Cmp_r64_rm64, R.RAX, R.RDX),
    branch(Code.Jne_rel8_64, "bad"),
    op(Code.Retnq),
    { kind: "label", name: "bad" } as const,
    set(R.RCX, tried),
    branch(Code.Jmp_rel32_64, "wrong"),
  ];
  return Buffer.concat([head, middle, assemble(after, tried + middle.length, routines)]);
}
