/**
 * ELF's numbers as JavaScript's. Addresses are kept signed: user programs live below 2^47 and
 * kernels at the top of the 64 bits, near zero when signed, so that both are exact.
 */
import { badElf } from "./errors.ts";

/** The upper half of the first number that a double does not hold exactly. */
const HIGHEST = 2 ** 21;

/** A file offset, size or count of 64 bits. */
export function sizeAt(bytes: Buffer, at: number, where: string): number {
  const high = bytes.readUInt32LE(at + 4);
  if (high < HIGHEST) return high * 2 ** 32 + bytes.readUInt32LE(at);
  const value = bytes.readBigUInt64LE(at);
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) badElf(where, `no file has 0x${value.toString(16)}`);
  return Number(value);
}

/** An address that no program has: what lies there is left out. */
export const NO_ADDRESS = Number.MIN_SAFE_INTEGER;

/** An address of 64 bits, signed; {@link NO_ADDRESS} where it is not canonical. */
export function addressOf(value: bigint): number {
  const signed = Number(BigInt.asIntN(64, value));
  return Number.isSafeInteger(signed) ? signed : NO_ADDRESS;
}

export function addressAt(bytes: Buffer, at: number): number {
  const high = bytes.readInt32LE(at + 4);
  if (high >= -HIGHEST && high < HIGHEST) {
    const address = high * 2 ** 32 + bytes.readUInt32LE(at);
    if (Number.isSafeInteger(address)) return address;
  }
  return addressOf(bytes.readBigUInt64LE(at));
}

/** `0x7ffff7dd3000`, as the manuals write it. */
export function hexAddress(address: number): string {
  return `0x${BigInt.asUintN(64, BigInt(address)).toString(16)}`;
}

/** The text from an offset to the next zero byte. */
export function textAt(bytes: Buffer, at: number): string {
  if (at < 0 || at >= bytes.length) return "";
  const end = bytes.indexOf(0, at);
  return bytes.toString("utf8", at, end === -1 ? bytes.length : end);
}
