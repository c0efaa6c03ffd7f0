/** The shape of the canary's rows: a feature, an instruction of it, and what it must compute. */
import type { Item } from "./assembler.ts";

/**
 * Where operands come from and where the result is:
 * - `integer`: A in RCX, B in RDX, zero in RAX; the result in RAX
 * - `xmm`, `ymm`, `zmm`: A in register 1, B in register 2, zero in register 0, which has the result
 */
export type Shape = "integer" | "xmm" | "ymm" | "zmm";

export interface CanaryRow {
  /** As the tables name it; its requirements are the tables' too. */
  readonly feature: string;
  /** The instruction that is tried, for people. */
  readonly instruction: string;
  readonly shape: Shape;
  /** Brings operands into order. */
  readonly prepare?: readonly Item[];
  /** Begins with the instruction that is tried. */
  readonly body: readonly Item[];
  /** The result: a number, or the bytes of a vector. */
  readonly result: bigint | Buffer;
  /** What the kernel must have switched on besides: a bit of AT_HWCAP2, or of CPUID. */
  readonly enabledBy?: { readonly hwcap2: number } | { readonly cpuid: string };
}

export const WIDTHS: Readonly<Record<Exclude<Shape, "integer">, number>> = {
  xmm: 16,
  ymm: 32,
  zmm: 64,
};

type More = Pick<CanaryRow, "enabledBy" | "prepare">;

function rowOf(shape: Shape) {
  return (
    feature: string,
    instruction: string,
    body: readonly Item[],
    result: bigint | Buffer,
    more: More = {},
  ): CanaryRow => ({ feature, instruction, shape, body, result, ...more });
}

export const integer = rowOf("integer");
export const xmm = rowOf("xmm");
export const ymm = rowOf("ymm");
export const zmm = rowOf("zmm");
