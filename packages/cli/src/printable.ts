/**
 * Makes foreign text safe for a terminal: what nodes report and servers answer could contain escape
 * sequences, which set titles, hide lines or type for the reader, and marks that reorder text.
 * https://unicode.org/reports/tr9/ https://invisible-island.net/xterm/ctlseqs/
 */

/**
 * Control characters except line feed, and format characters: zero-width ones, bidirectional marks.
 */
const UNFIT = /[^\P{C}\n]|[\u2028\u2029]/gu;

function escape(character: string): string {
  return Array.from(
    { length: character.length },
    (_, i) => `\\u${character.charCodeAt(i).toString(16).padStart(4, "0")}`,
  ).join("");
}

/** Replaces unsafe characters by `\u001b` and the like; in JSON that is the same text. */
export function printable(text: string): string {
  return text.replaceAll(UNFIT, escape);
}

/** A value with all its strings made safe, each on one line. */
export function printableIn<T>(value: T): T {
  if (typeof value === "string") return printable(value).replaceAll("\n", "\\n") as T;
  if (Array.isArray(value)) return value.map(printableIn) as T;
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => [printableIn(key), printableIn(member)]),
  ) as T;
}
