/** JSON for files that people keep: what fits on a line stands on a line, keys in given order. */
const WIDTH = 140;

function oneLine(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(oneLine).join(", ")}]`;
  if (typeof value === "object" && value !== null) {
    const members = membersOf(value).map(([key, v]) => `${JSON.stringify(key)}: ${oneLine(v)}`);
    return members.length === 0 ? "{}" : `{ ${members.join(", ")} }`;
  }
  return JSON.stringify(value);
}

function membersOf(value: object): [string, unknown][] {
  return Object.entries(value).filter(([, v]) => v !== undefined);
}

function lines(value: unknown, indent: string): string {
  const short = oneLine(value);
  if (typeof value !== "object" || value === null) return short;
  if (indent.length + short.length <= WIDTH && !isTop(indent)) return short;
  const deeper = `${indent}  `;
  if (Array.isArray(value)) {
    const items = value.map((item) => deeper + lines(item, deeper));
    return items.length === 0 ? "[]" : `[\n${items.join(",\n")}\n${indent}]`;
  }
  const members = membersOf(value).map(
    ([key, v]) => `${deeper}${JSON.stringify(key)}: ${lines(v, deeper)}`,
  );
  return members.length === 0 ? "{}" : `{\n${members.join(",\n")}\n${indent}}`;
}

/** The top level is always spread out, so that a diff shows one member per line. */
function isTop(indent: string): boolean {
  return indent === "";
}

/** Members that are `undefined` are left out. Ends with a newline. */
export function prettyJson(value: unknown): string {
  return `${lines(value, "")}\n`;
}
