/** Keys that an object of a JSON text has twice: `JSON.parse` keeps the last one, and says nothing. */

export interface DuplicateKey {
  readonly key: string;
  readonly offset: number;
}

const [QUOTE, BACKSLASH, COLON, OPEN, CLOSE] = [0x22, 0x5c, 0x3a, 0x7b, 0x7d] as const;

/** The offset behind the string that begins at `offset`. */
function endOfString(text: string, offset: number): number {
  for (let end = text.indexOf('"', offset + 1); ; end = text.indexOf('"', end + 1)) {
    let before = end - 1;
    while (text.charCodeAt(before) === BACKSLASH) before -= 1;
    if ((end - before) % 2 === 1) return end + 1;
  }
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09;
}

function isKey(text: string, end: number): boolean {
  let at = end;
  while (isSpace(text.charCodeAt(at))) at += 1;
  return text.charCodeAt(at) === COLON;
}

/** Two spellings of one key (`"a"`, `"\u0061"`) are one key. */
function keyAt(text: string, offset: number, end: number): string {
  const key = text.slice(offset + 1, end - 1);
  return key.includes("\\") ? (JSON.parse(`"${key}"`) as string) : key;
}

/**
 * Whether a text of JSON has no more colons than the value made of it has keys: then no key is
 * there twice, as each has a colon behind it. Where strings have colons as well, it says nothing.
 */
export function hasOneColonPerKey(text: string, value: unknown): boolean {
  let colons = 0;
  for (let at = text.indexOf(":"); at !== -1; at = text.indexOf(":", at + 1)) colons += 1;
  const open: unknown[] = [value];
  while (open.length > 0) {
    const one = open.pop();
    if (typeof one !== "object" || one === null) continue;
    const members: unknown[] = Array.isArray(one) ? one : Object.values(one);
    if (!Array.isArray(one)) colons -= members.length;
    for (const member of members) if (typeof member === "object") open.push(member);
  }
  return colons === 0;
}

/** The first duplicate key of a JSON text. Iterative, so deep nesting cannot exhaust the stack. */
export function firstDuplicateKey(text: string): DuplicateKey | undefined {
  const open: Set<string>[] = [];
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === OPEN) open.push(new Set());
    else if (code === CLOSE) open.pop();
    else if (code === QUOTE) {
      const end = endOfString(text, at);
      const keys = open.at(-1);
      if (keys !== undefined && isKey(text, end)) {
        const key = keyAt(text, at, end);
        if (keys.has(key)) return { key, offset: at };
        keys.add(key);
      }
      at = end - 1;
    }
  }
  return undefined;
}
