/**
 * The part of the tar format that a snapshot needs: regular files, one after the other. Sizes of
 * 8 GiB and more are written in base 256, as GNU tar does.
 * https://www.gnu.org/software/tar/manual/html_node/Standard.html
 */
import { AgentError } from "../errors.ts";

export const BLOCK = 512;
/** The most that eleven octal digits can say. */
const OCTAL_LIMIT = 0o77777777777;

export interface TarEntry {
  readonly path: string;
  readonly bytes: number;
}

export function padding(bytes: number): number {
  return (BLOCK - (bytes % BLOCK)) % BLOCK;
}

function checksum(header: Buffer): number {
  let sum = 0;
  for (let i = 0; i < BLOCK; i++) sum += i >= 148 && i < 156 ? 0x20 : (header[i] ?? 0);
  return sum;
}

/** A header block. The path has at most 100 bytes. */
export function tarHeader({ path, bytes }: TarEntry): Buffer {
  const header = Buffer.alloc(BLOCK);
  const octal = (value: number, at: number, length: number) =>
    header.write(`${value.toString(8).padStart(length - 1, "0")}\0`, at, "latin1");
  header.write(path, 0, 100, "latin1");
  octal(0o600, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  if (bytes <= OCTAL_LIMIT) octal(bytes, 124, 12);
  else {
    header.writeBigUInt64BE(BigInt(bytes), 128);
    header[124] = 0x80;
  }
  octal(0, 136, 12);
  header.write("0", 156, "latin1");
  header.write("ustar\u000000", 257, "latin1");
  octal(checksum(header), 148, 7);
  header.write(" ", 155, "latin1");
  return header;
}

function bad(why: string): never {
  throw new AgentError("BAD_ARCHIVE", `the archive is not whole: ${why}`);
}

function readOctal(header: Buffer, at: number, length: number): number {
  const text = header.toString("latin1", at, at + length).replace(/[\0 ].*$/s, "");
  if (!/^[0-7]+$/.test(text)) return bad("a number in a header is none");
  return Number.parseInt(text, 8);
}

function readSize(header: Buffer): number {
  if (header[124] !== 0x80) return readOctal(header, 124, 12);
  const size = header.readBigUInt64BE(128);
  if (size > BigInt(Number.MAX_SAFE_INTEGER)) return bad("a file is too large");
  return Number(size);
}

/** Reads a header block; undefined for a block of zeros, which ends an archive. */
export function readTarHeader(header: Buffer): TarEntry | undefined {
  if (header.every((byte) => byte === 0)) return undefined;
  if (readOctal(header, 148, 8) !== checksum(header)) return bad("a header's checksum is wrong");
  const type = header.toString("latin1", 156, 157);
  if (type !== "0" && type !== "\0")
    return bad(`it holds something else than files (type ${type})`);
  const path = header.toString("latin1", 0, 100).replace(/\0.*$/s, "");
  return { path, bytes: readSize(header) };
}
