/** Integers in strings, as Firecracker writes them: `0x…` or `0b…`, and nothing else. */
import { foundText, kindOf, type Problems } from "./problems.ts";
import { mapped, type Reader } from "./reader.ts";

/**
 * Firecracker accepts only these two prefixes; a bare decimal is an error there and here.
 * Source: `deserialize_from_str` in src/vmm/src/cpu_config/templates_serde.rs (v1.5.0–v1.16.0).
 */
const INTEGER = /^(0x[0-9a-fA-F]{1,32}|0b[01]{1,128})$/;

function readInteger(value: unknown, bits: number, problems: Problems): bigint {
  if (typeof value !== "string" || !INTEGER.test(value)) {
    const found = typeof value === "string" ? foundText(value) : kindOf(value);
    problems.add(`must be a string such as "0x1f" or "0b101", but is ${found}`);
    return 0n;
  }
  const number = BigInt(value);
  if (number >> BigInt(bits) === 0n) return number;
  problems.add(`${value} does not fit into ${bits} bits`);
  return 0n;
}

function integer(bits: number): Reader<bigint> {
  return {
    read: (json, problems) => readInteger(json, bits, problems),
    schema: { type: "string", pattern: INTEGER.source },
  };
}

const wide32 = integer(32);
export const u64 = integer(64);
export const u128 = integer(128);

/** Fast for the usual case: a short hexadecimal number. */
export const u32: Reader<number> = {
  ...mapped(wide32, Number),
  read: (json, problems) =>
    typeof json === "string" && /^0x[0-9a-fA-F]{1,8}$/.test(json)
      ? Number(json)
      : Number(wide32.read(json, problems)),
};
