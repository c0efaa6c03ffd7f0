/** A JSON object with the place where each member ends: serde's messages name it. */
import { fault } from "./fault.ts";

interface Member {
  readonly key: string;
  readonly value: unknown;
  /** Offsets just after the key and the value. */
  readonly keyEnd: number;
  readonly valueEnd: number;
}

export interface Located {
  readonly text: string;
  readonly members: readonly Member[];
  /** Offset just after the closing brace. */
  readonly end: number;
}

/** serde_json's ` at line 1 column 7`. */
export function placeOf(text: string, offset: number): string {
  const before = text.slice(0, offset).split("\n");
  return ` at line ${before.length} column ${before.at(-1)?.length ?? 0}`;
}

const WHITESPACE = /[ \t\r\n]*/y;
const STRING = /"(?:[^"\\]|\\.)*"/y;

function skip(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at;
  return pattern.exec(text) === null ? at : pattern.lastIndex;
}

/** The end of the value that begins at `at`; the text is known to be valid JSON. */
function endOfValue(text: string, at: number): number {
  let depth = 0;
  let i = at;
  while (i < text.length) {
    const char = text[i] ?? "";
    if (char === '"') {
      i = skip(STRING, text, i);
      if (depth === 0) return i;
      continue;
    }
    if (char === "{" || char === "[") depth++;
    if (char === "}" || char === "]") {
      if (depth === 0) return i;
      depth--;
      if (depth === 0) return i + 1;
    }
    if (depth === 0 && /[,\s]/.test(char)) return i;
    i++;
  }
  return i;
}

/** Members of an object whose text is valid JSON, in order. */
export function locate(text: string): Located {
  const members: Member[] = [];
  let at = skip(WHITESPACE, text, text.indexOf("{") + 1);
  while (text[at] === '"') {
    const keyEnd = skip(STRING, text, at);
    const key = JSON.parse(text.slice(at, keyEnd)) as string;
    const colon = skip(WHITESPACE, text, keyEnd);
    const start = skip(WHITESPACE, text, colon + 1);
    const valueEnd = endOfValue(text, start);
    const value: unknown = JSON.parse(text.slice(start, valueEnd));
    members.push({ key, value, keyEnd, valueEnd });
    at = skip(WHITESPACE, text, valueEnd);
    if (text[at] === ",") at = skip(WHITESPACE, text, at + 1);
  }
  return { text, members, end: at + 1 };
}

/** Parses a body; a body that is no JSON is refused, though not quite in serde's words. */
export function parseBody(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const place = placeOf(text, text.length);
    const reason = text.trim() === "" ? "EOF while parsing a value" : syntaxOf(error);
    throw fault(`${reason}${place}`);
  }
}

function syntaxOf(error: unknown): string {
  return error instanceof Error && /end of JSON/.test(error.message)
    ? "EOF while parsing an object"
    : "expected value";
}
