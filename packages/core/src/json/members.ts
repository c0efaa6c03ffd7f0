/** Members of JSON objects by their kind; what is of another kind is a problem with its place. */
import { isObject, join, kindOf, listAt, type JsonObject, type Problems } from "./problems.ts";

/** A string, or undefined where the key is absent. */
export function optionalString(
  object: JsonObject,
  key: string,
  path: string,
  problems: Problems,
): string | undefined {
  const value = object[key];
  if (value === undefined || typeof value === "string") return value;
  problems.add(join(path, key), `must be a string, but is ${kindOf(value)}`);
  return undefined;
}

/** False where the key is absent. */
export function flagAt(object: JsonObject, key: string, path: string, problems: Problems): boolean {
  const value = object[key];
  if (value !== undefined && typeof value !== "boolean") {
    problems.add(join(path, key), `must be true or false, but is ${kindOf(value)}`);
  }
  return value === true;
}

/** An object; a problem, and empty, where a value is something else. */
export function objectOf(value: unknown, path: string, problems: Problems): JsonObject {
  if (isObject(value)) return value;
  problems.add(path, `must be an object, but is ${kindOf(value)}`);
  return {};
}

/** What `read` makes of each object of a list; empty where the key is absent. */
export function objectsAt<T>(
  object: JsonObject,
  key: string,
  path: string,
  problems: Problems,
  read: (item: JsonObject, path: string) => T,
): T[] {
  return listAt(object, key, path, problems).flatMap((item, i) => {
    const at = `${join(path, key)}[${i}]`;
    if (isObject(item)) return [read(item, at)];
    problems.add(at, `must be an object, but is ${kindOf(item)}`);
    return [];
  });
}

const NO_STRINGS: readonly string[] = [];

/** Where the key is absent, one empty list for all: nearly all profiles leave some out. */
export function stringsAt(
  object: JsonObject,
  key: string,
  path: string,
  problems: Problems,
): readonly string[] {
  if (object[key] === undefined) return NO_STRINGS;
  return listAt(object, key, path, problems).map((item, i) => {
    if (typeof item === "string") return item;
    problems.add(`${join(path, key)}[${i}]`, `must be a string, but is ${kindOf(item)}`);
    return "";
  });
}
