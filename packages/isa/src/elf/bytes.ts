/** Bytes to read from: a file, a part of one, or a buffer. Every read is checked against the size. */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { badElf } from "./errors.ts";

export interface ByteSource {
  readonly size: number;
  /** Exactly `length` bytes; throws `BAD_ELF` naming `where` if they are not all there. */
  read(offset: number, length: number, where: string): Buffer;
}

/** No table of a real file is larger; a hostile one may say that it has terabytes. */
export const READ_LIMIT = 512 * 1024 * 1024;

/** The same for tables whose entries become objects: five million symbols, and none has as many. */
const TABLE_LIMIT = 128 * 1024 * 1024;

export function checkTable(size: number, where: string): void {
  if (size > TABLE_LIMIT) badElf(where, `${size} bytes are more than the limit of ${TABLE_LIMIT}`);
}

function checkRange(size: number, offset: number, length: number, where: string): void {
  if (offset < 0 || length < 0 || offset + length > size) {
    badElf(where, `bytes ${offset} to ${offset + length} are outside the file of ${size} bytes`);
  }
  if (length > READ_LIMIT) {
    badElf(where, `${length} bytes are more than the limit of ${READ_LIMIT}`);
  }
}

export function bytesOf(bytes: Uint8Array): ByteSource {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return {
    size: buffer.length,
    read(offset, length, where) {
      checkRange(buffer.length, offset, length, where);
      return buffer.subarray(offset, offset + length);
    },
  };
}

/** A part of another source, with offsets of its own. */
export function windowOf(source: ByteSource, start: number, size: number): ByteSource {
  return {
    size,
    read(offset, length, where) {
      checkRange(size, offset, length, where);
      return source.read(start + offset, length, where);
    },
  };
}

function readFully(fd: number, buffer: Buffer, offset: number, where: string): Buffer {
  for (let filled = 0; filled < buffer.length;) {
    const length = readSync(fd, buffer, filled, buffer.length - filled, offset + filled);
    if (length === 0) badElf(where, `the file ends at ${offset + filled}: it shrank while read`);
    filled += length;
  }
  return buffer;
}

export interface OpenFile extends ByteSource {
  close(): void;
}

/** Opens a regular file. Throws what node:fs throws where it cannot be opened. */
export function openBytes(path: string): OpenFile {
  const fd = openSync(path, "r");
  const { size } = fstatSync(fd);
  return {
    size,
    read(offset, length, where) {
      checkRange(size, offset, length, where);
      return readFully(fd, Buffer.allocUnsafeSlow(length), offset, where);
    },
    close: () => closeSync(fd),
  };
}

/** Calls with an open file and closes it whatever happens. */
export function withBytes<T>(path: string, use: (bytes: OpenFile) => T): T {
  const file = openBytes(path);
  try {
    return use(file);
  } finally {
    file.close();
  }
}
