/** Files of a file system that are read from its image, by where their blocks lie. */
import { open } from "node:fs/promises";
import { ImageError } from "./limits.ts";
import type { Pull } from "./pull.ts";

export interface Extent {
  /** Bytes from the file's start. */
  readonly at: number;
  /** Bytes from the image file's start. */
  readonly from: number;
  readonly length: number;
}

/** The extent that a byte lies in, or the next one after it. */
function extentAt(extents: readonly Extent[], at: number): Extent | undefined {
  let [low, high] = [0, extents.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    const { at: start = 0, length = 0 } = extents[middle] ?? {};
    if (start + length > at) high = middle;
    else low = middle + 1;
  }
  return extents[low];
}

/**
 * The bytes of a file; where nothing was written there are zeros. `extents` are in the order of
 * the file.
 */
export async function pullExtents(
  image: string,
  size: number,
  extents: readonly Extent[],
): Promise<Pull> {
  const file = await open(image, "r");
  let at = 0;
  const hole = (): number => {
    const next = extentAt(extents, at);
    return Math.max(0, Math.min(size, next?.at ?? size) - at);
  };
  const chunk = async (length: number): Promise<Buffer> => {
    const zeros = hole();
    if (zeros > 0) return Buffer.alloc(Math.min(length, zeros));
    const here = extentAt(extents, at);
    if (here === undefined) return Buffer.alloc(0);
    const bytes = Buffer.alloc(Math.min(length, here.at + here.length - at));
    const { bytesRead } = await file.read(bytes, 0, bytes.length, here.from + at - here.at);
    if (bytesRead === 0) throw new ImageError("a file lies outside of its image");
    return bytes.subarray(0, bytesRead);
  };
  return {
    position: () => at,
    hole,
    async take(length) {
      const parts: Buffer[] = [];
      for (let missing = Math.min(length, size - at); missing > 0;) {
        const part = await chunk(missing);
        parts.push(part);
        at += part.length;
        missing -= part.length;
      }
      return Buffer.concat(parts);
    },
    skip(length) {
      at += length;
      return Promise.resolve();
    },
    close: () => file.close(),
  };
}
