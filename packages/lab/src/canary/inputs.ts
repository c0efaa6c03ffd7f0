/** What the canary's instructions compute with, and how a result becomes one number. */

const LENGTH = 64;

/** Bytes without a pattern, the same in every build. Source of the constants: Numerical Recipes. */
function scatter(seed: number): Buffer {
  const bytes = Buffer.alloc(LENGTH);
  let x = seed;
  for (let i = 0; i < LENGTH; i++) {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    bytes[i] = x >>> 24;
  }
  return bytes;
}

/** The two operands: 64 bytes each, of which an instruction takes as many as it is wide. */
export const A = scatter(1);
export const B = scatter(2);

/** The first eight bytes of each, as integer instructions see them. */
export const A64 = A.readBigUInt64LE();
export const B64 = B.readBigUInt64LE();

const rotate = (x: bigint) => BigInt.asUintN(64, (x << 1n) | (x >> 63n));

/** A result of whole 64-bit words as one: rotated and mixed, so that the order counts. */
export function fold(result: Buffer): bigint {
  let folded = 0n;
  for (let i = 0; i < result.length; i += 8) folded = rotate(folded) ^ result.readBigUInt64LE(i);
  return folded;
}
