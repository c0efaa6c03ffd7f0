/**
 * Finds several texts in one go, by Wu and Manber's "A Fast Algorithm for Multi-Pattern Searching"
 * with blocks of two bytes: most places are passed over without being looked at.
 */

interface Ending {
  readonly text: Buffer;
  /** Its number among the texts that are looked for. */
  readonly number: number;
}

const BLOCK = 2;

export interface TextFinder {
  /** Calls `found` with the number of each text that stands in the bytes, and its offset. */
  (bytes: Buffer, found: (number: number, at: number) => void): void;
}

/** No text may be shorter than two bytes; the longer the shortest, the faster. */
export function textFinder(texts: readonly string[]): TextFinder {
  const all = texts.map((text) => Buffer.from(text, "latin1"));
  const shortest = Math.min(...all.map(({ length }) => length));
  // How far the window may move on, by the two bytes at its end.
  const shifts = new Uint8Array(65_536).fill(Math.min(shortest - BLOCK + 1, 255));
  const endings = new Map<number, Ending[]>();
  for (const [number, text] of all.entries()) {
    for (let end = BLOCK; end <= shortest; end++) {
      const block = text.readUInt16LE(end - BLOCK);
      shifts[block] = Math.min(shifts[block] ?? 0, shortest - end);
      if (end === shortest) endings.set(block, [...(endings.get(block) ?? []), { text, number }]);
    }
  }
  return (bytes, found) => {
    for (let at = shortest - BLOCK; at + 1 < bytes.length;) {
      const block = (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8);
      const shift = shifts[block] ?? 1;
      if (shift > 0) {
        at += shift;
        continue;
      }
      const start = at - (shortest - BLOCK);
      for (const { text, number } of endings.get(block) ?? []) {
        if (start + text.length > bytes.length) continue;
        if (text.compare(bytes, start, start + text.length) === 0) found(number, start);
      }
      at += 1;
    }
  };
}
