/**
 * What instructions compute, said again in TypeScript: the canary's expected results do not come
 * from the CPUs it tests. Source: Intel SDM vol. 2, "Operation" of each instruction.
 */
import { A, B } from "./inputs.ts";

type Lane = 8 | 16 | 32 | 64;

function readLane(bytes: Buffer, lane: Lane, at: number): bigint {
  return lane === 64 ? bytes.readBigUInt64LE(at) : BigInt(bytes.readUIntLE(at, lane / 8));
}

function writeLane(bytes: Buffer, lane: Lane, at: number, value: bigint): void {
  const wrapped = BigInt.asUintN(lane, value);
  if (lane === 64) bytes.writeBigUInt64LE(wrapped, at);
  else bytes.writeUIntLE(Number(wrapped), at, lane / 8);
}

/** Applies an operation to each pair of lanes of the first `width` bytes of both operands. */
export function lanes(lane: Lane, width: number, f: (a: bigint, b: bigint) => bigint): Buffer {
  const result = Buffer.alloc(width);
  for (let at = 0; at < width; at += lane / 8) {
    writeLane(result, lane, at, f(readLane(A, lane, at), readLane(B, lane, at)));
  }
  return result;
}

/** Multiplication without carries. */
export function carryless(a: bigint, b: bigint): bigint {
  let product = 0n;
  for (let bit = 0n; bit < 64n; bit++) if ((b >> bit) & 1n) product ^= a << bit;
  return product;
}

/** Multiplication in GF(2^8) with the polynomial x^8 + x^4 + x^3 + x + 1. */
export function field8(a: bigint, b: bigint): bigint {
  let product = carryless(a, b);
  for (let bit = 14n; bit >= 8n; bit--) if ((product >> bit) & 1n) product ^= 0x11bn << (bit - 8n);
  return product;
}

/** CRC-32C of eight more bytes, bit by bit, reflected. */
export function crc32c(crc: bigint, data: bigint): bigint {
  let rest = crc ^ data;
  for (let i = 0; i < 64; i++) rest = rest & 1n ? (rest >> 1n) ^ 0x82f63b78n : rest >> 1n;
  return rest;
}

/** The bits of `source` spread over the ones of `mask`, lowest first. */
export function deposit(source: bigint, mask: bigint): bigint {
  let result = 0n;
  let from = 0n;
  for (let bit = 0n; bit < 64n; bit++) {
    if (((mask >> bit) & 1n) === 0n) continue;
    result |= ((source >> from) & 1n) << bit;
    from++;
  }
  return result;
}

export function ones(value: bigint): bigint {
  return BigInt(value.toString(2).replaceAll("0", "").length);
}

export function leadingZeros(value: bigint, width: number): bigint {
  return BigInt(value === 0n ? width : width - value.toString(2).length);
}

const signed = (width: number, value: bigint) => BigInt.asIntN(width, value);

/** The sum of four products of unsigned by signed bytes. */
export function dotBytes(a: bigint, b: bigint): bigint {
  let sum = 0n;
  for (let shift = 0n; shift < 32n; shift += 8n) {
    sum += ((a >> shift) & 0xffn) * signed(8, (b >> shift) & 0xffn);
  }
  return sum;
}

/** The low half of the product of two 52-bit numbers: VPMADD52LUQ without its addend. */
export function low52(a: bigint, b: bigint): bigint {
  const mask = (1n << 52n) - 1n;
  return ((a & mask) * (b & mask)) & mask;
}

const xorAll = (values: readonly bigint[]) => values.reduce((all, value) => all ^ value, 0n);
const rotate8 = (x: bigint, n: bigint) => ((x << n) | (x >> (8n - n))) & 0xffn;

/** AES's substitution: the inverse in GF(2^8), then an affine map. Source: FIPS 197, 5.1.1. */
function substitute(x: number): bigint {
  const value = BigInt(x);
  let inverse = 0n;
  for (let y = 1n; y < 256n; y++) if (field8(value, y) === 1n) inverse = y;
  return xorAll([inverse, ...[1n, 2n, 3n, 4n].map((n) => rotate8(inverse, n)), 0x63n]);
}

/** One AES round of 16 bytes, as AESENC does it. Source: FIPS 197, 5.1. */
function aesRound(state: Buffer, key: Buffer): Buffer {
  const shifted = Array.from({ length: 16 }, (_, i) =>
    substitute(state[(i + 4 * (i % 4)) % 16] ?? 0),
  );
  const mixed = shifted.map((_, i) => {
    const byte = (row: number) => shifted[(i & ~3) + ((i + row) & 3)] ?? 0n;
    return xorAll([field8(byte(0), 2n), field8(byte(1), 3n), byte(2), byte(3)]);
  });
  return Buffer.from(mixed.map((value, i) => Number(value) ^ (key[i] ?? 0)));
}

/** AESENC of each 16 bytes of A with those of B. */
export function aesRounds(width: number): Buffer {
  const starts = Array.from({ length: width / 16 }, (_, i) => 16 * i);
  return Buffer.concat(
    starts.map((at) => aesRound(A.subarray(at, at + 16), B.subarray(at, at + 16))),
  );
}

/** SHA-256's message schedule, first half. Source: FIPS 180-4, 6.2.2. */
export function shaMessage1(): Buffer {
  const rotate = (x: number, n: number) => (x >>> n) | (x << (32 - n));
  const words = [0, 4, 8, 12].map((at) => A.readInt32LE(at)).concat(B.readInt32LE(0));
  const result = Buffer.alloc(16);
  for (let i = 0; i < 4; i++) {
    const next = words[i + 1] ?? 0;
    const sigma = rotate(next, 7) ^ rotate(next, 18) ^ (next >>> 3);
    result.writeInt32LE(((words[i] ?? 0) + sigma) | 0, 4 * i);
  }
  return result;
}
