/**
 * What Firecracker until 1.14 reads of a state file by bincode: fixed-width little-endian integers,
 * strings behind their length. Errors are in bincode's and semver's words.
 */

/** Firecracker lets a state have no more (`DESERIALIZATION_BYTES_LIMIT`). */
const LIMIT = 10 * 1024 * 1024;

/** A variant of bincode's DecodeError; it looks alike for people and programmers. */
export class DecodeError extends Error {}

/** How bytes are got at: from memory, or from a file as it is read. */
type Source = "slice" | "stream";

function need(bytes: Buffer, offset: number, size: number, source: Source): void {
  const missing = offset + size - bytes.length;
  if (missing <= 0) return;
  throw new DecodeError(
    source === "slice"
      ? `UnexpectedEnd { additional: ${missing} }`
      : `Io { inner: Error { kind: UnexpectedEof, message: "failed to fill whole buffer" }, additional: ${size} }`,
  );
}

interface Text {
  readonly value: string;
  readonly end: number;
}

export function readText(bytes: Buffer, offset: number, source: Source): Text {
  need(bytes, offset, 8, source);
  const length = bytes.readBigUInt64LE(offset);
  if (length > LIMIT) throw new DecodeError("LimitExceeded");
  const end = offset + 8 + Number(length);
  need(bytes, offset + 8, Number(length), source);
  return { value: bytes.toString("utf8", offset + 8, end), end };
}

/** The first complaint that semver has of a version, if any; only of what stands first in it. */
function versionFlaw(version: string): string | undefined {
  if (/^\d+\.\d+\.\d+(?:[-+][0-9A-Za-z.+-]+)?$/.test(version)) return undefined;
  if (version === "") return "empty string, expected a semver version";
  const [first = ""] = version;
  return `unexpected character '${first}' while parsing major version number`;
}

export interface Header {
  readonly magic: bigint;
  readonly version: string;
  readonly end: number;
}

export function readHeader(bytes: Buffer, source: Source): Header {
  need(bytes, 0, 8, source);
  const { value: version, end } = readText(bytes, 8, source);
  const flaw = versionFlaw(version);
  if (flaw !== undefined) throw new DecodeError(`OtherString(${JSON.stringify(flaw)})`);
  return { magic: bytes.readBigUInt64LE(0), version, end };
}

export function u64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(value);
  return bytes;
}

/** A string: its length as u64, then its bytes. */
export function text(value: string): Buffer {
  const bytes = Buffer.from(value, "utf8");
  return Buffer.concat([u64(BigInt(bytes.length)), bytes]);
}
