/** Bitmap strings: `0b` and one of `0`, `1`, `x` per bit, highest first; `_` may separate. */
import { kindOf, type Problems } from "../json/problems.ts";
import type { Reader } from "../json/reader.ts";
import type { Bitmap32, WideBitmap } from "./template.ts";

const REGISTER_NAMES = { 32: "a CPUID register", 64: "an MSR", 128: "a register" } as const;
type Width = keyof typeof REGISTER_NAMES;

const NOTHING: WideBitmap = { mask: 0n, value: 0n };
const ALL = { 32: 2n ** 32n - 1n, 64: 2n ** 64n - 1n, 128: 2n ** 128n - 1n } as const;

/** Reads the digits without prefix and separators; adds a problem and returns nothing if wrong. */
function digitsOf(text: unknown, width: Width, problems: Problems): string | undefined {
  if (typeof text !== "string") {
    problems.add(`must be a string such as "0b01xx", but is ${kindOf(text)}`);
    return undefined;
  }
  const digits = (text.startsWith("0b") ? text.slice(2) : text).replaceAll("_", "");
  const wrong = /[^01x]/.exec(digits);
  if (wrong !== null) {
    problems.add(`unexpected ${JSON.stringify(wrong[0])}; bits are 0, 1 or x`);
  } else if (digits.length > width) {
    problems.add(`${digits.length} characters, ${REGISTER_NAMES[width]} has ${width} bits`);
  } else if (digits.length === 0) {
    problems.add("is empty");
  } else {
    return digits;
  }
  return undefined;
}

/** Bits that the text does not reach are kept, as Firecracker keeps them. */
export function parseBitmap(text: unknown, width: Width, problems: Problems): WideBitmap {
  // A dump spells out every bit: the usual case, and worth being quick for.
  if (typeof text === "string" && text.length === width + 2 && /^0b[01]+$/.test(text)) {
    return { mask: ALL[width], value: BigInt(text) };
  }
  const digits = digitsOf(text, width, problems);
  if (digits === undefined) return NOTHING;
  return {
    mask: BigInt(`0b${digits.replace(/[01]/g, "1").replaceAll("x", "0")}`),
    value: BigInt(`0b${digits.replaceAll("x", "0")}`),
  };
}

function parseBitmap32(text: unknown, problems: Problems): Bitmap32 {
  if (typeof text === "string" && /^0b[01]{32}$/.test(text)) {
    return { mask: 0xffff_ffff, value: Number.parseInt(text.slice(2), 2) };
  }
  const { mask, value } = parseBitmap(text, 32, problems);
  return { mask: Number(mask), value: Number(value) };
}

const schema = { type: "string", pattern: "^(0b)?[01x_]+$" };

export const bitmap32: Reader<Bitmap32> = { read: parseBitmap32, schema };
export const bitmap64: Reader<WideBitmap> = {
  read: (json, problems) => parseBitmap(json, 64, problems),
  schema,
};
export const bitmap128: Reader<WideBitmap> = {
  read: (json, problems) => parseBitmap(json, 128, problems),
  schema,
};

function formatWord(mask: number, value: number): string {
  let text = "0b";
  for (let bit = 31; bit >= 0; bit--) {
    if (((mask >>> bit) & 1) === 0) text += "x";
    else text += ((value >>> bit) & 1) === 0 ? "0" : "1";
  }
  return text;
}

/** Full width, without separators, so that every Firecracker version reads it. */
export function formatBitmap(bitmap: Bitmap32 | WideBitmap, width: Width): string {
  if (typeof bitmap.mask === "number" && typeof bitmap.value === "number") {
    return formatWord(bitmap.mask, bitmap.value);
  }
  const mask = BigInt(bitmap.mask).toString(2).padStart(width, "0");
  const value = BigInt(bitmap.value).toString(2).padStart(width, "0");
  let text = "0b";
  for (let i = 0; i < width; i++) text += mask[i] === "1" ? value[i] : "x";
  return text;
}

export function applyBitmap32(word: number, { mask, value }: Bitmap32): number {
  return ((word & ~mask) | value) >>> 0;
}

export function applyWideBitmap(word: bigint, { mask, value }: WideBitmap): bigint {
  return (word & ~mask) | value;
}
