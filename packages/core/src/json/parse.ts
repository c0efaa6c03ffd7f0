/** JSON text to a value, with the line and column of what is wrong. */
import { fail } from "../errors.ts";
import { firstDuplicateKey, hasOneColonPerKey } from "./duplicates.ts";

const SPACE = /[ \t\n\r]*/y;
const SCALAR =
  /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null/y;
const STRING = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;

/** The beginning of a string or of another value, cut off by the end of the text. */
const CUT_SHORT =
  /(?:"(?:[^"\\\u0000-\u001f]|\\.)*\\?|-|-?[0-9]+\.|-?[0-9]+(?:\.[0-9]+)?[eE][+-]?|t|tr|tru|f|fa|fal|fals|n|nu|nul)$/y;

function lengthAt(pattern: RegExp, text: string, offset: number): number {
  pattern.lastIndex = offset;
  return pattern.exec(text)?.[0].length ?? 0;
}

type Expected = "value" | "value or ]" | "key" | "key or }" | "colon" | ", or end" | "end";

/** The offset of the first character that cannot be JSON. Iterative: texts may nest deeply. */
function firstErrorOffset(text: string): number {
  const open: ("{" | "[")[] = [];
  let expected: Expected = "value";
  let offset = 0;
  const closed = (): Expected => (open.length === 0 ? "end" : ", or end");

  for (;;) {
    offset += lengthAt(SPACE, text, offset);
    const character = text[offset];
    if (character === undefined || expected === "end") return offset;
    let width = 1;
    if (expected === "key" || expected === "key or }") {
      width = lengthAt(STRING, text, offset);
      if (width > 0) expected = "colon";
      else if (character === "}" && expected === "key or }") {
        open.pop();
        width = 1;
        expected = closed();
      } else return offset;
    } else if (expected === "colon") {
      if (character !== ":") return offset;
      expected = "value";
    } else if (expected === ", or end") {
      const inside = open.at(-1);
      if (character === ",") expected = inside === "{" ? "key" : "value";
      else if (character === (inside === "{" ? "}" : "]")) {
        open.pop();
        expected = closed();
      } else return offset;
    } else if (character === "{" || character === "[") {
      open.push(character);
      expected = character === "{" ? "key or }" : "value or ]";
    } else if (character === "]" && expected === "value or ]") {
      open.pop();
      expected = closed();
    } else {
      width = lengthAt(SCALAR, text, offset);
      if (width === 0) return offset;
      expected = closed();
    }
    offset += width;
  }
}

function placeOf(text: string, offset: number): string {
  const before = text.slice(0, offset).split("\n");
  return `line ${before.length}, column ${(before.at(-1)?.length ?? 0) + 1}`;
}

function failAtFirstError(text: string): never {
  const stop = firstErrorOffset(text);
  const offset = stop + lengthAt(CUT_SHORT, text, stop);
  const place = placeOf(text, offset);
  if (text.trim() === "") return fail("NOT_JSON", "the file is empty", place);
  const found = text[offset];
  return fail(
    "NOT_JSON",
    found === undefined
      ? "not JSON: the text ends too early"
      : `not JSON: unexpected ${JSON.stringify(found)}`,
    place,
  );
}

/**
 * Parses JSON; throws NOT_JSON with line and column. A byte order mark is skipped. A key that
 * is duplicated in one object is refused: readers disagree on which of the two counts.
 */
export function parseJson(text: string): unknown {
  const body = text.startsWith("\uFEFF") ? text.slice(1) : text;
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    return failAtFirstError(body);
  }
  const twice = hasOneColonPerKey(body, value) ? undefined : firstDuplicateKey(body);
  if (twice === undefined) return value;
  const message = `duplicate key ${JSON.stringify(twice.key)}`;
  return fail("NOT_JSON", message, placeOf(body, twice.offset));
}
