/** Compressed files, expanded as they are read and no further than the limits say. */
import { Readable, Transform, type TransformCallback } from "node:stream";
import * as zlib from "node:zlib";
import { Decompress } from "fzstd";
import { ImageError, sizeText, type Limits } from "./limits.ts";
import type { Compression } from "./magic.ts";
import { pullFile, pullStream, streamOf, type FilePart, type Pull } from "./pull.ts";
import { streamTool, type Tool } from "./tool.ts";

type Compressed = Exclude<Compression, "none">;

/** Node has it from 22.15 on. */
type WithZstd = typeof zlib & { readonly createZstdDecompress?: () => Transform };

const XZ: Tool = { command: "xz", package: "xz-utils", reads: "xz" };
const BZIP2: Tool = { command: "bzip2", package: "bzip2", reads: "bzip2" };
const LZ4: Tool = { command: "lz4", package: "lz4", reads: "lz4" };

/** What an .xz file may ask for to be read; those of `xz -9` ask for 65 MiB. */
const XZ_MEMORY = "--memlimit-decompress=512MiB";
/** Small pieces: a few bytes can expand to a block of 128 KiB, all of them in one go. */
const PIECE = 4096;

/** For Node without zstd. Counts as it expands, since a piece expands whole. */
async function* zstdPieces(input: Readable, count: (bytes: number) => void) {
  const chunks: Uint8Array[] = [];
  const decompress = new Decompress((chunk) => {
    count(chunk.length);
    chunks.push(chunk);
  });
  for await (const chunk of input as AsyncIterable<Buffer>) {
    for (let at = 0; at < chunk.length; at += PIECE) {
      decompress.push(chunk.subarray(at, at + PIECE));
      yield* chunks.splice(0).map((bytes) => Buffer.from(bytes));
    }
  }
  decompress.push(Buffer.alloc(0), true);
  yield* chunks.splice(0).map((bytes) => Buffer.from(bytes));
}

function piped(input: Readable, expand: Transform): Readable {
  input.on("error", (error) => expand.destroy(error));
  expand.on("close", () => input.destroy());
  return input.pipe(expand);
}

function zstd(input: Readable, count: (bytes: number) => void): Readable {
  const expand = (zlib as WithZstd).createZstdDecompress;
  if (expand !== undefined) return piped(input, expand());
  return Readable.from(zstdPieces(input, count), { objectMode: false });
}

const EXPANDERS: Readonly<
  Record<Compressed, (input: Readable, count: (bytes: number) => void) => Readable>
> = {
  gzip: (input) => piped(input, zlib.createGunzip()),
  zstd,
  xz: (input) => streamTool(XZ, ["-dc", "-T1", XZ_MEMORY], input),
  lzma: (input) => streamTool(XZ, ["-dc", "--format=lzma", XZ_MEMORY], input),
  bzip2: (input) => streamTool(BZIP2, ["-dc"], input),
  lz4: (input) => streamTool(LZ4, ["-dc"], input),
};

/** Throws where no honest stream would go on. */
function check(out: number, bytesIn: number, limits: Limits): void {
  if (out > limits.expanded) {
    throw new ImageError(`expands to more than ${sizeText(limits.expanded)}`);
  }
  if (out > limits.free && out > bytesIn * limits.ratio) {
    throw new ImageError(`expands to more than ${limits.ratio} times its size`);
  }
}

function reason(error: unknown): ImageError {
  if (error instanceof ImageError) return error;
  return new ImageError(error instanceof Error ? error.message : String(error), { cause: error });
}

function expanded(part: FilePart, compression: Compressed, limits: Limits): Readable {
  const seen = { bytesIn: 0, early: 0, out: 0 };
  const input = streamOf(part);
  const counted = new Transform({
    transform(chunk: Buffer, _encoding, done: TransformCallback) {
      seen.bytesIn += chunk.length;
      done(null, chunk);
    },
  });
  const output = new Transform({
    transform(chunk: Buffer, _encoding, done: TransformCallback) {
      seen.out += chunk.length;
      try {
        check(seen.out, seen.bytesIn, limits);
        done(null, chunk);
      } catch (error) {
        done(reason(error));
      }
    },
  });
  const expand = EXPANDERS[compression](piped(input, counted), (bytes) => {
    seen.early += bytes;
    check(seen.early, seen.bytesIn, limits);
  });
  expand.on("error", (error) => output.destroy(reason(error)));
  output.on("close", () => {
    input.destroy();
    expand.destroy();
  });
  expand.pipe(output);
  return output;
}

/** Manual pages and the like, of which a system has tens of thousands: no stream for each. */
const SMALL = 32 * 1024;

/**
 * The first bytes of what a small gzip file expands to, all of it checked; undefined where it is
 * not small, or damaged.
 */
export async function smallHead(
  part: FilePart,
  compression: Compression,
  length: number,
): Promise<Buffer | undefined> {
  if (compression !== "gzip" || part.size > SMALL) return undefined;
  const pull = await pullFile(part);
  const bytes = await pull.take(part.size).finally(() => pull.close());
  try {
    return zlib.gunzipSync(bytes, { maxOutputLength: SMALL * 1100 }).subarray(0, length);
  } catch {
    return undefined;
  }
}

/** The bytes of a part, expanded if they are compressed. Throws {@link ImageError}. */
export async function pullExpanded(
  part: FilePart,
  compression: Compression,
  limits: Limits,
): Promise<Pull> {
  return compression === "none" ? pullFile(part) : pullStream(expanded(part, compression, limits));
}
