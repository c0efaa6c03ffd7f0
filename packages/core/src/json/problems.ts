/** Collects everything that is wrong with a file before saying so. */
import { CoreError, type CoreErrorCode, type Problem } from "../errors.ts";

/** A hostile file may have a problem in every line; a person reads the first few. */
const ENOUGH = 50;

export class Problems {
  readonly list: Problem[] = [];

  add(path: string, message: string): void {
    if (this.list.length < ENOUGH) this.list.push({ path, message });
  }

  throwIfAny(code: CoreErrorCode): void {
    if (this.list.length > 0) throw new CoreError(code, this.list);
  }
}

export type JsonObject = Readonly<Record<string, unknown>>;

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** What a value is, in a reader's words. */
export function kindOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  if (value === undefined) return "missing";
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}

/** An object's list under `key`: empty when absent, a problem when something else. */
export function listAt(object: JsonObject, key: string, path: string, problems: Problems) {
  const value = object[key];
  if (value === undefined) return [];
  if (Array.isArray(value)) return value as readonly unknown[];
  problems.add(join(path, key), `must be a list, but is ${kindOf(value)}`);
  return [];
}

export function join(path: string, key: string): string {
  return path === "" ? key : `${path}.${key}`;
}

export function checkKeys(
  object: JsonObject,
  known: readonly string[],
  path: () => string,
  problems: Problems,
): void {
  for (const key of Object.keys(object)) {
    if (!known.includes(key)) {
      problems.add(join(path(), key), `unknown key; known here: ${known.join(", ")}`);
    }
  }
}
