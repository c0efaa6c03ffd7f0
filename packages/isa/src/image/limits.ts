/** What a file from somewhere else may cost, and the error that says it costs more. */

export interface Limits {
  /** Bytes that one compressed stream, or one image with all that is in it, may expand to. */
  readonly expanded: number;
  /** Times its size that a stream or an image may expand to, once it is larger than `free`. */
  readonly ratio: number;
  /** Bytes that are not held against the ratio: short runs of zeros pack very well. */
  readonly free: number;
  /** Bytes of one file inside an image that is copied out to be scanned. */
  readonly file: number;
  /** Entries of one image, or of one directory tree. */
  readonly entries: number;
  /** Bytes of a manifest or an index. */
  readonly manifest: number;
  /** Images in images: an archive in a JAR in a layer. */
  readonly depth: number;
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
  depth: 4,
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

/** What one path that the user named may still cost: all copies of files in it, however deep. */
export interface Budget {
  /** Takes note of bytes on disk. Throws {@link ImageError} where they are too many. */
  spend(bytes: number): void;
  /** Why so many bytes more would be too many; undefined where they are not. */
  refusal(bytes: number): string | undefined;
}

/** `size`: bytes of the file that the user named; undefined for a directory. */
export function budgetFor(size: number | undefined, limits: Limits): Budget {
  const fair = size === undefined ? Infinity : Math.max(limits.free, size * limits.ratio);
  let spent = 0;
  const refusal = (bytes: number) => {
    if (spent + bytes > limits.expanded) return `expands to more than ${sizeText(limits.expanded)}`;
    if (spent + bytes > fair) return `expands to more than ${limits.ratio} times its size`;
    return undefined;
  };
  return {
    refusal,
    spend(bytes) {
      const why = refusal(bytes);
      if (why !== undefined) throw new ImageError(why);
      spent += bytes;
    },
  };
}
