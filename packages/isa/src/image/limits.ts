/** What a file from somewhere else may cost, and the error that says it costs more. */

export interface Limits {
  /** Bytes that one compressed stream may expand to. */
  readonly expanded: number;
  /** Times its size that a stream may expand to, once it is larger than `free`. */
  readonly ratio: number;
  /** Bytes that are not held against the ratio: short runs of zeros pack very well. */
  readonly free: number;
  /** Bytes of one file inside an image that is copied out to be scanned. */
  readonly file: number;
  /** Entries of one image, or of one directory tree. */
  readonly entries: number;
  /** Bytes of a manifest or an index. */
  readonly manifest: number;
}

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;

/** Real layers expand 2 to 20 times; the largest are a few tens of gigabytes. */
export const DEFAULT_LIMITS: Limits = {
  expanded: 64 * GIB,
  ratio: 200,
  free: 256 * MIB,
  file: 4 * GIB,
  entries: 5_000_000,
  manifest: 4 * MIB,
};

/** An image, or a part of one, that cannot be read; what was read before still counts. */
export class ImageError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "ImageError";
  }
}

export function sizeText(bytes: number): string {
  if (bytes >= GIB) return `${(bytes / GIB).toFixed(1)} GiB`;
  return bytes >= MIB ? `${Math.round(bytes / MIB)} MiB` : `${Math.ceil(bytes / 1024)} KiB`;
}
