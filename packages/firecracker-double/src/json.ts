/** A JSON object with the place where each member ends: serde's messages name it. */
import { fault } from "./fault.ts";

interface Member {
  readonly key: string;
  readonly value: unknown;
  /** Offsets just after the key, at the value, and just after it. */
  readonly keyEnd: number;
  readonly valueStart: number;
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

/** Members of the object that begins at an offset of valid JSON, in order. */
export function locate(text: string, start = text.indexOf("{")): Located {
  const members: Member[] = [];
  let at = skip(WHITESPACE, text, start + 1);
  while (text[at] === '"') {
    const keyEnd = skip(STRING, text, at);
    const key = JSON.parse(text.slice(at, keyEnd)) as string;
    const colon = skip(WHITESPACE, text, keyEnd);
    const valueStart = skip(WHITESPACE, text, colon + 1);
    const valueEnd = endOfValue(text, valueStart);
    const value: unknown = JSON.parse(text.slice(valueStart, valueEnd));
    members.push({ key, value, keyEnd, valueStart, valueEnd });
    at = skip(WHITESPACE, text, valueEnd);
    if (text[at] === ",") at = skip(WHITESPACE, text, at + 1);
  }
  return { text, members, end: at + 1 };
}

/** The words that begin like another, and where they cease to: serde_json says no more of them. */
function identifierFlaw(text: string): number | undefined {
  const start = skip(WHITESPACE, text, 0);
  const word = ["null", "true", "false"].find((w) => w[0] === text[start]);
  if (word === undefined) return undefined;
  const at = [...word].findIndex((letter, i) => text[start + i] !== letter);
  return at < 0 ? undefined : start + at + 1;
}

/** Parses a body; a body that is no JSON is refused, though not always in serde's words. */
export function parseBody(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (text.trim() === "") throw fault(`EOF while parsing a value${placeOf(text, text.length)}`);
    const flaw = identifierFlaw(text);
    if (flaw !== undefined) throw fault(`expected ident${placeOf(text, flaw)}`);
    throw fault(`${syntaxOf(error, text)}${placeOf(text, text.length)}`);
  }
}

function syntaxOf(error: unknown, text: string): string {
  const { message } = error as Error;
  const at = /position (\d+)/.exec(message)?.[1];
  const isEnd = /end of JSON/.test(message) || (at !== undefined && Number(at) >= text.length);
  return isEnd ? "EOF while parsing an object" : "expected value";
}
