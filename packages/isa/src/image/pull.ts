/** Bytes taken one after another, from a file or from what a stream expands to. */
import { createReadStream } from "node:fs";
import { open, type FileHandle } from "node:fs/promises";
import type { Readable } from "node:stream";
import { ImageError } from "./limits.ts";
import { headSize } from "./magic.ts";

export interface Pull {
  /** Bytes taken so far. */
  position(): number;
  /** Up to `length` bytes; fewer only at the end. */
  take(length: number): Promise<Buffer>;
  skip(length: number): Promise<void>;
  /** How many zeros follow that nobody stored; undefined where that is not known. */
  hole?(): number;
  close(): Promise<void>;
}

/** A part of a file on disk. */
export interface FilePart {
  readonly path: string;
  readonly start: number;
  readonly size: number;
}

export async function wholeFile(path: string): Promise<FilePart> {
  const file = await open(path, "r");
  try {
    return { path, start: 0, size: (await file.stat()).size };
  } finally {
    await file.close();
  }
}

/** Exactly `length` bytes. */
export async function takeAll(pull: Pull, length: number, what: string): Promise<Buffer> {
  const bytes = await pull.take(length);
  if (bytes.length === length) return bytes;
  throw new ImageError(`${what}: cut short at byte ${pull.position()}`);
}

/** Reads where it is asked to: skipping costs nothing. */
export async function pullFile({ path, start, size }: FilePart): Promise<Pull> {
  const file: FileHandle = await open(path, "r");
  let at = 0;
  return {
    position: () => at,
    async take(length) {
      const bytes = Buffer.allocUnsafe(Math.max(0, Math.min(length, size - at)));
      let filled = 0;
      while (filled < bytes.length) {
        const left = bytes.length - filled;
        const { bytesRead } = await file.read(bytes, filled, left, start + at + filled);
        if (bytesRead === 0) break;
        filled += bytesRead;
      }
      at += filled;
      return bytes.subarray(0, filled);
    },
    skip(length) {
      if (at + length > size) {
        return Promise.reject(new ImageError(`truncated: ends at ${size}, not at ${at + length}`));
      }
      at += length;
      return Promise.resolve();
    },
    close: () => file.close(),
  };
}

/** Takes from a stream; errors of the stream come out of `take` and `skip`. */
export function pullStream(stream: Readable): Pull {
  const chunks: AsyncIterator<Buffer> = stream[Symbol.asyncIterator]();
  let rest: Buffer = Buffer.alloc(0);
  let at = 0;
  const more = async (): Promise<boolean> => {
    const { done, value } = await chunks.next();
    if (done === true) return false;
    rest = rest.length === 0 ? value : Buffer.concat([rest, value]);
    return true;
  };
  return {
    position: () => at,
    async take(length) {
      const parts: Buffer[] = [];
      let missing = length;
      while (missing > 0 && (rest.length > 0 || (await more()))) {
        const part = rest.subarray(0, missing);
        parts.push(part);
        rest = rest.subarray(part.length);
        missing -= part.length;
      }
      at += length - missing;
      return parts.length === 1 ? (parts[0] ?? rest) : Buffer.concat(parts);
    },
    async skip(length) {
      let missing = length;
      while (missing > 0 && (rest.length > 0 || (await more()))) {
        const part = Math.min(rest.length, missing);
        rest = rest.subarray(part);
        missing -= part;
      }
      at += length - missing;
      if (missing > 0) throw new ImageError(`cut short at byte ${at}`);
    },
    close() {
      stream.destroy();
      return Promise.resolve();
    },
  };
}

export function streamOf({ path, start, size }: FilePart): Readable {
  return createReadStream(path, { start, end: start + size - 1, highWaterMark: 256 * 1024 });
}

/** Enough of a part to tell what it is. */
export async function headOf(part: FilePart): Promise<Buffer> {
  const pull = await pullFile(part);
  return pull.take(headSize(part.size)).finally(() => pull.close());
}
