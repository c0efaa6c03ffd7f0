/** The arithmetic flags, as far as they are known, and what conditions come to. */
import { extendSign, operate, truncate, type Value } from "./values.ts";

type Bit = boolean | undefined;

export interface Flags {
  readonly zero: Bit;
  readonly sign: Bit;
  readonly carry: Bit;
  readonly overflow: Bit;
  readonly asked: boolean;
}

export const NO_FLAGS: Flags = {
  zero: undefined,
  sign: undefined,
  carry: undefined,
  overflow: undefined,
  asked: false,
};

export function unknownFlags(asked: boolean): Flags {
  return asked ? { ...NO_FLAGS, asked } : NO_FLAGS;
}

/** After AND, OR, XOR, TEST. */
export function logicFlags(result: Value, size: number): Flags {
  if (result.kind !== "number") return { ...unknownFlags(result.asked), carry: false };
  const { n } = truncate(result, size);
  const sign = extendSign(result, size).n < 0;
  return { zero: n === 0, sign, carry: false, overflow: false, asked: result.asked };
}

/** After CMP, SUB, NEG. */
export function compareFlags(a: Value, b: Value, size: number): Flags {
  const asked = a.asked || b.asked;
  if (a.kind !== "number" || b.kind !== "number") return unknownFlags(asked);
  const [x, y] = [extendSign(a, size).n, extendSign(b, size).n];
  const difference = extendSign(operate("sub", a, b, size), size);
  const sign = difference.kind === "number" ? difference.n < 0 : undefined;
  return {
    zero: x === y,
    sign,
    // Without signs, what is negative is larger.
    carry: x < 0 === y < 0 ? x < y : y < 0,
    overflow: sign === undefined ? undefined : x < y !== sign,
    asked,
  };
}

/** After ADD, INC, DEC, shifts: only what the result itself says. */
export function resultFlags(result: Value, size: number): Flags {
  return { ...logicFlags(result, size), carry: undefined, overflow: undefined };
}

/** After BT and its like. */
export function bitFlags(value: Value, bit: Value): Flags {
  const asked = value.asked || bit.asked;
  if (value.kind !== "number" || (bit.kind !== "number" && value.n !== 0))
    return unknownFlags(asked);
  const carry = Math.floor(value.n / 2 ** (bit.n & 63)) % 2 !== 0;
  return { ...unknownFlags(asked), carry };
}

export function joinFlags(a: Flags, b: Flags, differs: boolean): Flags {
  if (a === b) return a;
  const same = (x: Bit, y: Bit) => (x === y ? x : undefined);
  const joined = {
    zero: same(a.zero, b.zero),
    sign: same(a.sign, b.sign),
    carry: same(a.carry, b.carry),
    overflow: same(a.overflow, b.overflow),
  };
  return { ...joined, asked: a.asked || b.asked || differs };
}

export function sameFlags(a: Flags, b: Flags): boolean {
  return (
    a === b ||
    (a.zero === b.zero &&
      a.sign === b.sign &&
      a.carry === b.carry &&
      a.overflow === b.overflow &&
      a.asked === b.asked)
  );
}

function either(a: Bit, b: Bit): Bit {
  if (a === true || b === true) return true;
  return a === false && b === false ? false : undefined;
}

function differ(a: Bit, b: Bit): Bit {
  return a === undefined || b === undefined ? undefined : a !== b;
}

function positive(condition: number, { zero, sign, carry, overflow }: Flags): Bit {
  switch (condition >> 1) {
    case 0:
      return overflow;
    case 1:
      return carry;
    case 2:
      return zero;
    case 3:
      return either(carry, zero);
    case 4:
      return sign;
    case 6:
      return differ(sign, overflow);
    case 7:
      return either(zero, differ(sign, overflow));
    default:
      return undefined;
  }
}

/** Whether a condition of Jcc, SETcc or CMOVcc holds: the opcode's last four bits. */
export function holds(condition: number, flags: Flags): Bit {
  const bit = positive(condition, flags);
  return bit === undefined || (condition & 1) === 0 ? bit : !bit;
}
