/** Integers in strings, as Firecracker writes them: `0x…` or `0b…`, and nothing else. */
import { kindOf, type Problems } from "./problems.ts";

/**
 * Firecracker accepts only these two prefixes; a bare decimal is an error there and here.
 * Source: `deserialize_from_str` in src/vmm/src/cpu_config/templates_serde.rs (v1.5.0–v1.16.0).
 */
const INTEGER = /^0x[0-9a-fA-F]{1,32}$|^0b[01]{1,128}$/;

export function readInteger(
  value: unknown,
  bits: 32 | 64 | 128,
  path: () => string,
  problems: Problems,
): bigint {
  if (typeof value !== "string" || !INTEGER.test(value)) {
    const found = typeof value === "string" ? JSON.stringify(value.slice(0, 40)) : kindOf(value);
    problems.add(path(), `must be a string such as "0x1f" or "0b101", but is ${found}`);
    return 0n;
  }
  const number = BigInt(value);
  if (number >> BigInt(bits) !== 0n) {
    problems.add(path(), `${value} does not fit into ${bits} bits`);
    return 0n;
  }
  return number;
}

/** Fast for the usual case: a short hexadecimal number. */
export function readU32(value: unknown, path: () => string, problems: Problems): number {
  if (typeof value === "string" && /^0x[0-9a-fA-F]{1,8}$/.test(value)) return Number(value);
  return Number(readInteger(value, 32, path, problems));
}
