/**
 * The state file of a snapshot, checked as the release checks it that the double passes for. Until
 * 1.14 it is laid out as Firecracker's is: magic, format version, state, CRC-64. From 1.15 on
 * Firecracker's is one value to bitcode, whose bytes say nothing by themselves: the double's is one
 * JSON value. The state itself is the double's own always.
 * Source: src/vmm/src/snapshot/mod.rs, v1.7.0 to v1.16.1.
 */
import { DecodeError, readHeader, readText, text, u64 } from "./bincode.ts";
import { crc64 } from "./crc64.ts";
import { fault, FaultError } from "./fault.ts";
import { LINE, lineNumber } from "./versions.ts";

const MAGIC = { x86_64: 0x0710_1984_8664_0000n, aarch64: 0x0710_1984_aaaa_0000n } as const;

/** What a state file is read by, in its order of checks. */
type Reader = "checksum first" | "header first" | "bitcode";

export interface FileKind {
  readonly arch: keyof typeof MAGIC;
  /** The format's version, such as `8.0.0`. */
  readonly format: string;
  readonly reader: Reader;
}

export function readerOf(version: string): Reader {
  const line = lineNumber(version);
  if (line >= LINE.bitcode) return "bitcode";
  return line >= LINE.headerFirst ? "header first" : "checksum first";
}

const CRC_SIZE = 8;
/** From 1.15 on no more is read of a file. */
const SIZE_LIMIT = 10_000_000;

/** A variant of SnapshotError: in words, and as Rust's `Debug` shows it. */
export class StateError extends FaultError {
  readonly debug: string;

  constructor(message: string, debug: string) {
    super(message);
    this.debug = debug;
  }
}

function asStateError(error: unknown, reader: Reader): unknown {
  if (!(error instanceof DecodeError)) return error;
  const { message } = error;
  if (reader === "header first") {
    return new StateError(
      `An error occured during bincode decoding: ${message}`,
      `Decode(${message})`,
    );
  }
  return new StateError(
    `An error occured with serialization/deserialization: ${message}`,
    `Serde(${JSON.stringify(message)})`,
  );
}

export function encodeState(state: unknown, { arch, format, reader }: FileKind): Buffer {
  const magic = MAGIC[arch];
  const body =
    reader === "bitcode"
      ? Buffer.from(JSON.stringify({ magic: String(magic), version: format, state }))
      : Buffer.concat([u64(magic), text(format), text(JSON.stringify(state))]);
  return Buffer.concat([body, u64(crc64(body))]);
}

interface Whole {
  readonly magic: bigint;
  readonly version: string;
  readonly state: unknown;
}

/** All but the checksum, as one value: from it even the format's version is read. */
function readBitcode(bytes: Buffer): Whole {
  if (bytes.length > SIZE_LIMIT) {
    const words = `Snapshot size exceeds limit of ${SIZE_LIMIT} bytes`;
    throw new StateError(words, `SizeLimitExceeded(${SIZE_LIMIT})`);
  }
  if (bytes.length < CRC_SIZE) {
    const words = "File too short to contain CRC";
    const debug = `Io(Custom { kind: UnexpectedEof, error: ${JSON.stringify(words)} })`;
    throw new StateError(`IO Error: ${words}`, debug);
  }
  try {
    const json = bytes.toString("utf8", 0, bytes.length - CRC_SIZE);
    const { magic, ...rest } = JSON.parse(json) as Omit<Whole, "magic"> & {
      readonly magic: string;
    };
    return { ...rest, magic: BigInt(magic) };
  } catch {
    const words = "An error occurred during bitcode serialization: bitcode error";
    throw new StateError(words, 'Bitcode(Error("bitcode error"))');
  }
}

/** The format version of a state file of any architecture. */
export function formatOf(bytes: Buffer, reader: Reader): string {
  if (reader === "bitcode") return readBitcode(bytes).version;
  try {
    return readHeader(bytes, "stream").version;
  } catch (error) {
    throw asStateError(error, reader);
  }
}

function major(format: string): string {
  return format.split(".")[0] ?? "";
}

function minor(format: string): number {
  return Number(format.split(".")[1]);
}

/** Until 1.13 the checksum comes first, and its message has what was computed. */
function checkCrcFirst(bytes: Buffer): void {
  if (bytes.length < CRC_SIZE) throw fault("Snapshot file is smaller than CRC length.");
  const computed = crc64(bytes.subarray(0, -CRC_SIZE));
  if (computed === bytes.readBigUInt64LE(bytes.length - CRC_SIZE)) return;
  throw fault(`CRC64 validation failed: ${computed}`);
}

function checkMagic(magic: bigint, { arch }: FileKind): void {
  if (magic !== MAGIC[arch]) throw fault(`Magic value does not match arch: ${magic}`);
}

function checkVersion(version: string, { format }: FileKind): void {
  if (major(version) === major(format) && minor(version) <= minor(format)) return;
  throw fault(`Invalid data version: ${version}`);
}

function checkCrc(bytes: Buffer): void {
  if (crc64(bytes) !== 0n) throw fault("CRC64 validation failed");
}

/** Until 1.13 the state is decoded before its version is looked at. */
function decodeChecksumFirst(bytes: Buffer, kind: FileKind): unknown {
  checkCrcFirst(bytes);
  const read = bytes.subarray(0, -CRC_SIZE);
  const { magic, version, end } = readHeader(read, "stream");
  checkMagic(magic, kind);
  const state = readText(read, end, "stream").value;
  // No state is empty: Firecracker's own would run out of bytes.
  if (state === "") readText(Buffer.alloc(0), 0, "stream");
  checkVersion(version, kind);
  return JSON.parse(state);
}

function decodeHeaderFirst(bytes: Buffer, kind: FileKind): unknown {
  const { magic, version, end } = readHeader(bytes, "slice");
  checkMagic(magic, kind);
  checkVersion(version, kind);
  const state = readText(bytes, end, "slice").value;
  checkCrc(bytes);
  return JSON.parse(state);
}

/** Checks everything that Firecracker checks, in its order; throws its words. */
export function decodeState(bytes: Buffer, kind: FileKind): unknown {
  if (kind.reader === "bitcode") {
    const whole = readBitcode(bytes);
    checkMagic(whole.magic, kind);
    checkVersion(whole.version, kind);
    checkCrc(bytes);
    return whole.state;
  }
  try {
    const first = kind.reader === "checksum first";
    return first ? decodeChecksumFirst(bytes, kind) : decodeHeaderFirst(bytes, kind);
  } catch (error) {
    throw asStateError(error, kind.reader);
  }
}
