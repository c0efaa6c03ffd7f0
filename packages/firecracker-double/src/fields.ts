/** Request bodies as lists of fields, checked as serde checks them, in its words. */
import { fault } from "./fault.ts";
import { locate, parseBody, placeOf } from "./json.ts";

type Kind =
  | "string"
  | "boolean"
  | "u8"
  | "u32"
  | "usize"
  | "any"
  | "sequence"
  /** A struct of its own; its fields are looked into where `fields` lists them. */
  | "struct"
  | readonly string[];

interface Field {
  readonly kind: Kind;
  /** May be left out, or null. */
  readonly optional?: boolean;
  /** May be left out, but not null. */
  readonly defaulted?: boolean;
  readonly fields?: Fields;
}

export type Fields = Readonly<Record<string, Field>>;

/** What serde says it found. */
function found(value: unknown): string {
  if (value === null) return "null";
  if (typeof value === "string") return `string ${JSON.stringify(value)}`;
  if (typeof value === "boolean") return `boolean \`${value}\``;
  if (typeof value === "number") {
    return Number.isInteger(value) ? `integer \`${value}\`` : `floating point \`${value}\``;
  }
  return Array.isArray(value) ? "sequence" : "map";
}

const LIMITS = { u8: 0xff, u32: 0xffff_ffff, usize: Number.MAX_SAFE_INTEGER } as const;
const NAMES: Readonly<Record<string, string>> = { string: "a string", boolean: "a boolean" };

function alternatives(names: readonly string[]): string {
  const quoted = names.map((name) => `\`${name}\``);
  if (quoted.length === 1) return `expected ${quoted[0]}`;
  if (quoted.length === 2) return `expected ${quoted.join(" or ")}`;
  return `expected one of ${quoted.join(", ")}`;
}

/** What is wrong with a value, if anything. */
function complaint(kind: Kind, value: unknown): string | undefined {
  if (kind === "any") return undefined;
  if (typeof kind !== "string") {
    if (typeof value !== "string") return `invalid type: ${found(value)}, expected string or map`;
    return kind.includes(value) ? undefined : `unknown variant \`${value}\`, ${alternatives(kind)}`;
  }
  if (kind === "sequence") {
    return Array.isArray(value) ? undefined : `invalid type: ${found(value)}, expected a sequence`;
  }
  if (kind === "struct") {
    const isMap = typeof value === "object" && value !== null && !Array.isArray(value);
    return isMap ? undefined : `invalid type: ${found(value)}, expected a map`;
  }
  if (kind === "string" || kind === "boolean") {
    return typeof value === kind
      ? undefined
      : `invalid type: ${found(value)}, expected ${NAMES[kind]}`;
  }
  if (typeof value !== "number" || !Number.isInteger(value)) {
    return `invalid type: ${found(value)}, expected ${kind}`;
  }
  const fits = value >= 0 && value <= LIMITS[kind];
  return fits ? undefined : `invalid value: integer \`${value}\`, expected ${kind}`;
}

function notAnObject(text: string, json: unknown, fields: Fields, name: string) {
  const wanted = `expected struct ${name}`;
  const count = Object.keys(fields).length;
  const problem = Array.isArray(json)
    ? `invalid length ${json.length}, ${wanted} with ${count} element${count === 1 ? "" : "s"}`
    : `invalid type: ${found(json)}, ${wanted}`;
  return fault(`${problem}${placeOf(text, text.length)}`);
}

/** Reads the object that begins at an offset, and those within it. */
function readObject(text: string, start: number | undefined, fields: Fields) {
  const { members, end } = locate(text, start);
  const result: Record<string, unknown> = {};
  for (const { key, value, keyEnd, valueStart, valueEnd } of members) {
    const field = fields[key];
    if (field === undefined) {
      const known = alternatives(Object.keys(fields));
      throw fault(`unknown field \`${key}\`, ${known}${placeOf(text, keyEnd)}`);
    }
    if (key in result) throw fault(`duplicate field \`${key}\`${placeOf(text, keyEnd)}`);
    if (value === null && field.optional === true) continue;
    const wrong = complaint(field.kind, value);
    if (wrong !== undefined) throw fault(wrong + placeOf(text, valueEnd));
    result[key] = value;
    if (field.fields !== undefined) readObject(text, valueStart, field.fields);
  }
  for (const [key, { optional, defaulted }] of Object.entries(fields)) {
    if (key in result || optional === true || defaulted === true) continue;
    throw fault(`missing field \`${key}\`${placeOf(text, end)}`);
  }
  return result;
}

/** Parses and checks a body; throws serde's message, without what Firecracker puts before it. */
export function readFields(text: string, fields: Fields, name: string): Record<string, unknown> {
  const json = parseBody(text);
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    throw notAnObject(text, json, fields, name);
  }
  return readObject(text, undefined, fields);
}
