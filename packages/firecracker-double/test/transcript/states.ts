/** State files that no snapshot is: damaged, cut, another's, none at all. */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { crc64 } from "../../src/crc64.ts";

const X86_MAGIC = 0x0710_1984_8664_0000n;
const ARM_MAGIC = 0x0710_1984_aaaa_0000n;

/** A header as Firecracker wrote it until 1.14, whatever follows, and a checksum that is right. */
function headed(magic: bigint, format: string, rest: Buffer): Buffer {
  const head = Buffer.alloc(16);
  head.writeBigUInt64LE(magic);
  head.writeBigUInt64LE(BigInt(format.length), 8);
  const body = Buffer.concat([head, Buffer.from(format), rest]);
  const crc = Buffer.alloc(8);
  crc.writeBigUInt64LE(crc64(body));
  return Buffer.concat([body, crc]);
}

function flipped(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
}

type Damage = (state: Buffer) => Buffer | undefined;

export const DAMAGES: Readonly<Record<string, Damage>> = {
  none: (state) => state,
  "no file": () => undefined,
  empty: () => Buffer.alloc(0),
  "three bytes": () => Buffer.from("abc"),
  "ten bytes": () => Buffer.alloc(10),
  zeros: () => Buffer.alloc(4096),
  text: () => Buffer.from("this is no snapshot, nor has it ever been one\n"),
  "another architecture": () => headed(ARM_MAGIC, "8.0.0", Buffer.alloc(100)),
  "an old format": () => headed(X86_MAGIC, "1.0.0", Buffer.alloc(100)),
  "a format to come": () => headed(X86_MAGIC, "99.0.0", Buffer.alloc(100)),
  "a format that is no version": () => headed(X86_MAGIC, "next", Buffer.alloc(100)),
  "a format without an end": () => headed(X86_MAGIC, "8.0.0", Buffer.alloc(0)).subarray(0, 18),
  "more than ten megabytes": (state) => Buffer.concat([state, Buffer.alloc(11_000_000)]),
  "a byte too much": (state) => Buffer.concat([state, Buffer.alloc(1)]),
  "its last byte lost": (state) => state.subarray(0, -1),
  "its checksum lost": (state) => state.subarray(0, -8),
  "its first byte flipped": (state) => flipped(state, 0),
  "its checksum flipped": (state) => flipped(state, state.length - 1),
};

/** Damages the file `s` of a directory, from the one that was kept as `s.whole`. */
export function damage(directory: string, name: string): void {
  const state = readFileSync(join(directory, "s.whole"));
  const damaged = DAMAGES[name]?.(state);
  const path = join(directory, "s");
  rmSync(path, { force: true });
  if (damaged !== undefined) writeFileSync(path, damaged);
}
