/** Compressed files, expanded as they are read and no further than the limits say. */
import { Transform, type Readable, type TransformCallback } from "node:stream";
import * as zlib from "node:zlib";
import { ImageError, sizeText, type Limits } from "./limits.ts";
import { pullFile, pullStream, streamOf, type FilePart, type Pull } from "./pull.ts";

export type Compression = "gzip" | "zstd" | "xz" | "bzip2" | "lz4" | "lzma" | "none";

const MAGICS: readonly (readonly [Compression, string])[] = [
  ["gzip", "1f8b"],
  ["zstd", "28b52ffd"],
  ["xz", "fd377a585a00"],
  ["bzip2", "425a68"],
  ["lz4", "02214c18"],
  ["lz4", "04224d18"],
  ["lzma", "5d0000"],
];

export function compressionOf(start: Buffer): Compression {
  const hex = start.toString("hex", 0, 6);
  return MAGICS.find(([, magic]) => hex.startsWith(magic))?.[0] ?? "none";
}

/** Node has it from 22.15 on. */
type WithZstd = typeof zlib & { readonly createZstdDecompress?: () => Transform };

function expander(compression: Compression): Transform {
  if (compression === "gzip") return zlib.createGunzip();
  const zstd = (zlib as WithZstd).createZstdDecompress;
  if (compression === "zstd" && zstd !== undefined) return zstd();
  const hint =
    compression === "zstd"
      ? "this Node has no zstd (22.15 and later do): expand it with zstd -d first"
      : `expand it first (${compression} -d)`;
  throw new ImageError(`compressed with ${compression}: ${hint}`);
}

/** Counts what comes out and stops where no honest file would go on. */
function guard(bytesIn: () => number, limits: Limits): Transform {
  let out = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done: TransformCallback) {
      out += chunk.length;
      if (out > limits.expanded) {
        done(new ImageError(`expands to more than ${sizeText(limits.expanded)}`));
      } else if (out > limits.free && out > bytesIn() * limits.ratio) {
        done(new ImageError(`expands to more than ${limits.ratio} times its size`));
      } else done(null, chunk);
    },
  });
}

function reason(error: Error): ImageError {
  return error instanceof ImageError ? error : new ImageError(error.message, { cause: error });
}

function expanded(part: FilePart, compression: Compression, limits: Limits): Readable {
  let bytesIn = 0;
  const stages = [expander(compression), guard(() => bytesIn, limits)] as const;
  const input = streamOf(part).on("data", (chunk) => {
    bytesIn += chunk.length;
  });
  input.pause();
  const [expand, output] = stages;
  input.on("error", (error) => output.destroy(reason(error)));
  expand.on("error", (error) => output.destroy(reason(error)));
  output.on("close", () => {
    input.destroy();
    expand.destroy();
  });
  input.pipe(expand).pipe(output);
  return output;
}

/** The bytes of a part, expanded if they are compressed. Throws {@link ImageError}. */
export async function pullExpanded(
  part: FilePart,
  compression: Compression,
  limits: Limits,
): Promise<Pull> {
  return compression === "none" ? pullFile(part) : pullStream(expanded(part, compression, limits));
}
