/**
 * The state file of a snapshot: magic, format version, state, CRC-64, as Firecracker since 1.7
 * lays it out (bincode, fixed-width little-endian integers). The state itself is the double's own.
 * Source: src/vmm/src/snapshot/mod.rs, v1.7.0 to v1.16.0.
 */
import { crc64 } from "./crc64.ts";
import { fault } from "./fault.ts";

const MAGIC = { x86_64: 0x0710_1984_8664_0000n, aarch64: 0x0710_1984_aaaa_0000n } as const;

export interface FileKind {
  readonly arch: keyof typeof MAGIC;
  /** The format's version, such as `8.0.0`. */
  readonly format: string;
}

/** bincode's string: its length as u64, then its bytes. */
function text(value: string): Buffer {
  const bytes = Buffer.from(value, "utf8");
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(bytes.length));
  return Buffer.concat([length, bytes]);
}

function u64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(value);
  return bytes;
}

export function encodeState(state: unknown, { arch, format }: FileKind): Buffer {
  const body = Buffer.concat([u64(MAGIC[arch]), text(format), text(JSON.stringify(state))]);
  return Buffer.concat([body, u64(crc64(body))]);
}

/** bincode's error where bytes are missing; until 1.12 it is worded otherwise. */
function needed(bytes: Buffer, end: number): void {
  if (bytes.length >= end) return;
  const additional = end - bytes.length;
  throw fault(
    `An error occured during bincode decoding: UnexpectedEnd { additional: ${additional} }`,
  );
}

function readText(bytes: Buffer, offset: number): { readonly value: string; readonly end: number } {
  needed(bytes, offset + 8);
  const length = Number(bytes.readBigUInt64LE(offset));
  const end = offset + 8 + length;
  needed(bytes, end);
  return { value: bytes.toString("utf8", offset + 8, end), end };
}

/** The format version of a state file of any architecture. */
export function formatOf(bytes: Buffer): string {
  needed(bytes, 8);
  return readText(bytes, 8).value;
}

function major(format: string): string {
  return format.split(".")[0] ?? "";
}

function minor(format: string): number {
  return Number(format.split(".")[1]);
}

/** Checks everything that Firecracker checks, in its order; throws its words. */
export function decodeState(bytes: Buffer, { arch, format: supported }: FileKind): unknown {
  needed(bytes, 8);
  const header = readText(bytes, 8);
  const magic = bytes.readBigUInt64LE(0);
  if (magic !== MAGIC[arch]) {
    throw fault(`Magic value does not match arch: ${magic}`);
  }
  const format = header.value;
  if (major(format) !== major(supported) || minor(format) > minor(supported)) {
    throw fault(`Invalid data version: ${format}`);
  }
  const state = readText(bytes, header.end).value;
  if (crc64(bytes) !== 0n) throw fault("CRC64 validation failed");
  return JSON.parse(state);
}
