/** Bit arithmetic on unsigned 32-bit numbers and on bigints, kept free of sign surprises. */

/** A mask of bits `hi` down to `lo`, both included (0–31). */
export function mask32(hi: number, lo: number): number {
  const width = hi - lo + 1;
  return width === 32 ? 0xffff_ffff : (((1 << width) - 1) << lo) >>> 0;
}

/** The field `hi:lo` of a register, shifted down to bit 0. */
export function extract32(word: number, hi: number, lo: number): number {
  return (word & mask32(hi, lo)) >>> lo;
}

export function insert32(word: number, hi: number, lo: number, value: number): number {
  const mask = mask32(hi, lo);
  return ((word & ~mask) | ((value << lo) & mask)) >>> 0;
}

export function mask64(hi: number, lo: number): bigint {
  return ((1n << BigInt(hi - lo + 1)) - 1n) << BigInt(lo);
}

export function extract64(word: bigint, hi: number, lo: number): bigint {
  return (word & mask64(hi, lo)) >> BigInt(lo);
}

/** A field's bits, unsigned: as registers hold them and as people read them. */
export function readField(
  word: bigint,
  { hi, lo }: { readonly hi: number; readonly lo: number },
): bigint {
  return extract64(word, hi, lo);
}

export function fieldBits({ hi, lo }: { readonly hi: number; readonly lo: number }): bigint {
  return mask64(hi, lo);
}
