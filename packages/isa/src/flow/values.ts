/**
 * What a register or a place in memory holds while code is followed for a CPU that has nothing:
 * every answer of such a CPU is zero.
 */

export interface Value {
  readonly kind: "unknown" | "number" | "stack";
  /** The number, signed beyond 32 bits; or the distance from the stack pointer at entry. */
  readonly n: number;
  /** Whether it depends on what the CPU answered. */
  readonly asked: boolean;
}

export const UNKNOWN: Value = { kind: "unknown", n: 0, asked: false };
export const ASKED: Value = { kind: "unknown", n: 0, asked: true };
/** What a CPU that has nothing answers. */
export const NO: Value = { kind: "number", n: 0, asked: true };

export function number(n: number, asked = false): Value {
  return { kind: "number", n, asked };
}

export function onStack(n: number): Value {
  return { kind: "stack", n, asked: false };
}

export function unknown(asked: boolean): Value {
  return asked ? ASKED : UNKNOWN;
}

export function markAsked(value: Value): Value {
  if (value.asked) return value;
  return value.kind === "unknown" ? ASKED : { ...value, asked: true };
}

export function isSame(a: Value, b: Value): boolean {
  return a === b || (a.kind === b.kind && a.n === b.n && a.asked === b.asked);
}

/** What holds whichever of two ways led here. */
export function join(a: Value, b: Value): Value {
  if (a === b) return a;
  const asked = a.asked || b.asked;
  if (a.kind === b.kind && a.n === b.n) return a.asked === asked ? a : b;
  return unknown(asked);
}

/** The value of the way that is taken, which depends on an answer where the other's differs. */
export function preferring(taken: Value, other: Value): Value {
  if (taken.kind === other.kind && taken.n === other.n) return other.asked ? other : taken;
  return markAsked(taken);
}

export type Operation = "add" | "or" | "and" | "sub" | "xor" | "shl" | "shr" | "sar";

function exact(result: bigint, size: number): number | undefined {
  const value = Number(size === 8 ? BigInt.asIntN(64, result) : BigInt.asUintN(size * 8, result));
  return Number.isSafeInteger(value) ? value : undefined;
}

/** A safe integer's last bytes, without a sign. */
function lastBytes(n: number, size: number): number {
  return size === 4 ? n >>> 0 : n & (size === 1 ? 0xff : 0xffff);
}

function quickBits(operation: Operation, a: number, b: number): number {
  return operation === "and" ? a & b : operation === "or" ? a | b : a ^ b;
}

function isShort(n: number): boolean {
  return n === (n | 0);
}

/** With doubles, where those are as exact as the CPU; undefined elsewhere. */
function quickly(operation: Operation, a: number, b: number, size: number): number | undefined {
  const narrow = size < 8;
  switch (operation) {
    case "add":
    case "sub": {
      const sum = operation === "add" ? a + b : a - b;
      if (!Number.isSafeInteger(sum)) return undefined;
      return narrow ? lastBytes(sum, size) : sum;
    }
    case "and":
    case "or":
    case "xor":
      if (narrow) return lastBytes(quickBits(operation, a, b), size);
      return isShort(a) && isShort(b) ? quickBits(operation, a, b) : undefined;
    case "shl":
      return size === 4 ? (a << (b & 31)) >>> 0 : undefined;
    case "shr":
      if (size === 4) return (a >>> 0) >>> (b & 31);
      return size === 8 && a >= 0 ? Math.floor(a / 2 ** (b & 63)) : undefined;
    case "sar":
      break;
  }
  if (size === 4) return (a >> (b & 31)) >>> 0;
  return size === 8 ? Math.floor(a / 2 ** (b & 63)) : undefined;
}

/** By the rules of the CPU for any number: BigInts are exact, and slow. */
function exactly(operation: Operation, a: number, b: number, size: number): number | undefined {
  const bits = size * 8;
  const [x, y] = [BigInt.asUintN(bits, BigInt(a)), BigInt.asUintN(bits, BigInt(b))];
  const by = BigInt(b & (size === 8 ? 63 : 31));
  switch (operation) {
    case "add":
      return exact(x + y, size);
    case "sub":
      return exact(x - y, size);
    case "and":
      return exact(x & y, size);
    case "or":
      return exact(x | y, size);
    case "xor":
      return exact(x ^ y, size);
    case "shl":
      return exact(x << by, size);
    case "shr":
      return exact(x >> by, size);
    case "sar":
      break;
  }
  return exact(BigInt.asIntN(bits, x) >> by, size);
}

function onAddress(operation: Operation, a: Value, b: Value): Value | undefined {
  if (a.kind === "stack" && b.kind === "number") {
    if (operation === "add") return onStack(a.n + b.n);
    if (operation === "sub") return onStack(a.n - b.n);
    // Aligning the stack moves it by less than a slot matters here.
    if (operation === "and") return a;
  }
  if (b.kind === "stack" && a.kind === "number" && operation === "add") return onStack(a.n + b.n);
  return undefined;
}

function isZero({ kind, n }: Value): boolean {
  return kind === "number" && n === 0;
}

/** The result of an operation on `size` bytes. */
export function operate(operation: Operation, a: Value, b: Value, size: number): Value {
  const asked = a.asked || b.asked;
  const moved = onAddress(operation, a, b);
  if (moved !== undefined) return moved;
  if (operation === "and" && (isZero(a) || isZero(b))) return number(0, asked);
  if (a.kind !== "number" || b.kind !== "number") return unknown(asked);
  const result = quickly(operation, a.n, b.n, size) ?? exactly(operation, a.n, b.n, size);
  return result === undefined ? unknown(asked) : number(result, asked);
}

/** A number of `size` bytes, without a sign where it is shorter than eight. */
export function truncate(value: Value, size: number): Value {
  if (value.kind === "stack") return size === 8 ? value : unknown(value.asked);
  if (value.kind !== "number" || size === 8) return value;
  const n = lastBytes(value.n, size);
  return n === value.n ? value : number(n, value.asked);
}

/** The same with its sign carried on to eight bytes. */
export function extendSign(value: Value, size: number): Value {
  if (value.kind !== "number" || size === 8) return value.kind === "stack" ? UNKNOWN : value;
  const unused = 32 - size * 8;
  return number((value.n << unused) >> unused, value.asked);
}
