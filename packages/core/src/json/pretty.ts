/** JSON for files that people keep: what fits on a line stands on a line, keys in given order. */
const WIDTH = 140;

type Member = readonly [key: string, value: unknown];

/** Members in order, without those that are undefined; a list's have no keys. */
function membersOf(value: object): Member[] {
  if (Array.isArray(value)) return value.map((item: unknown) => ["", item ?? null]);
  const members: Member[] = [];
  for (const [key, member] of Object.entries(value)) {
    if (member !== undefined) members.push([`${JSON.stringify(key)}: `, member]);
  }
  return members;
}

/** A value on one line; undefined as soon as it is longer than `room`. */
function oneLine(value: unknown, room: number): string | undefined {
  if (typeof value !== "object" || value === null) {
    const text = JSON.stringify(value);
    return text.length > room ? undefined : text;
  }
  const isList = Array.isArray(value);
  // An item of a list takes at least a character and a comma.
  if (isList && value.length > room) return undefined;
  const members = membersOf(value);
  if (members.length === 0) return isList ? "[]" : "{}";
  const [open, close] = isList ? ["[", "]"] : ["{ ", " }"];
  let line = open;
  let separator = "";
  for (const [key, member] of members) {
    line += separator + key;
    const text = oneLine(member, room - line.length - close.length);
    if (text === undefined) return undefined;
    line += text;
    separator = ", ";
  }
  return line + close;
}

function lines(value: unknown, indent: string): string {
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const short = isTop(indent) ? undefined : oneLine(value, WIDTH - indent.length);
  if (short !== undefined) return short;
  const [open, close] = Array.isArray(value) ? ["[", "]"] : ["{", "}"];
  const deeper = `${indent}  `;
  const items = membersOf(value).map(([key, member]) => deeper + key + lines(member, deeper));
  return items.length === 0 ? open + close : `${open}\n${items.join(",\n")}\n${indent}${close}`;
}

/** The top level is always spread out, so that a diff shows one member per line. */
function isTop(indent: string): boolean {
  return indent === "";
}

/** Members that are `undefined` are left out. Ends with a newline. */
export function prettyJson(value: unknown): string {
  return `${lines(value, "")}\n`;
}
