/**
 * Readers of JSON that report every problem with its place, and say in JSON Schema what they take.
 * A file's format is put together of them: what is read and what docs/schemas publishes are one.
 */
import { CoreError, type CoreErrorCode } from "../errors.ts";
import { isObject, join, kindOf, Problems } from "./problems.ts";

/** JSON Schema 2020-12, as far as it is needed. */
export type JsonSchema = Readonly<Record<string, unknown>>;

export interface Reader<T> {
  /** Reads a value at `path`; a problem is added, and something harmless returned in its place. */
  readonly read: (json: unknown, path: string, problems: Problems) => T;
  readonly schema: JsonSchema;
  /** The member may be left out. */
  readonly optional?: boolean;
}

export const text: Reader<string> = {
  read: (json, path, problems) => {
    if (typeof json === "string") return json;
    problems.add(path, `must be a string, but is ${kindOf(json)}`);
    return "";
  },
  schema: { type: "string" },
};

/** One of these words. */
export function oneOf<const Words extends readonly [string, ...string[]]>(
  ...words: Words
): Reader<Words[number]> {
  return {
    read: (json, path, problems) => {
      const found = words.find((word) => word === json);
      if (found === undefined) problems.add(path, `must be ${words.join(" or ")}`);
      return found ?? words[0];
    },
    schema: { enum: words },
  };
}

/** A list; one that is left out is empty. */
export function listOf<T>(item: Reader<T>): Reader<T[]> {
  return {
    read: (json, path, problems) => {
      if (json === undefined) return [];
      if (Array.isArray(json))
        return json.map((one, i) => item.read(one, `${path}[${i}]`, problems));
      problems.add(path, `must be a list, but is ${kindOf(json)}`);
      return [];
    },
    schema: { type: "array", items: item.schema },
    optional: true,
  };
}

/** An object with any names and values of one kind. */
export function mapOf<T>(value: Reader<T>): Reader<Record<string, T>> {
  return {
    read: (json, path, problems) => {
      if (isObject(json)) {
        const entries = Object.entries(json);
        return Object.fromEntries(
          entries.map(([key, one]) => [key, value.read(one, join(path, key), problems)]),
        );
      }
      problems.add(path, `must be an object, but is ${kindOf(json)}`);
      return {};
    },
    schema: { type: "object", additionalProperties: value.schema },
  };
}

/** A member that may be left out. */
export function maybe<T>(reader: Reader<T>): Reader<T | undefined> {
  return {
    read: (json, path, problems) =>
      json === undefined ? undefined : reader.read(json, path, problems),
    schema: reader.schema,
    optional: true,
  };
}

type Members = Readonly<Record<string, Reader<unknown>>>;
type ReadMembers<M extends Members> = {
  readonly [K in keyof M]: M[K] extends Reader<infer T> ? T : never;
};

/** An object with these members; what else it has is left to newer releases and not read. */
export function objectOf<M extends Members>(members: M): Reader<ReadMembers<M>> {
  const names = Object.keys(members);
  return {
    read: (json, path, problems) => {
      if (!isObject(json)) problems.add(path, `must be an object, but is ${kindOf(json)}`);
      const object = isObject(json) ? json : {};
      // Members of what is no object are not missed one by one.
      const own = isObject(json) ? problems : new Problems();
      return Object.fromEntries(
        Object.entries(members).map(([name, reader]) => [
          name,
          reader.read(object[name], join(path, name), own),
        ]),
      ) as ReadMembers<M>;
    },
    schema: {
      type: "object",
      properties: Object.fromEntries(names.map((name) => [name, members[name]?.schema])),
      required: names.filter((name) => members[name]?.optional !== true),
    },
  };
}

/** What another reader makes of a value, made into something else. */
export function mapped<A, B>(
  reader: Reader<A>,
  make: (value: A, path: string, problems: Problems) => B,
): Reader<B> {
  return {
    ...reader,
    read: (json, path, problems) => make(reader.read(json, path, problems), path, problems),
  };
}

/** A value that a function reads, with the schema of the text or number that it takes. */
export function readBy<T>(
  schema: JsonSchema,
  read: (json: unknown, path: () => string, problems: Problems) => T,
): Reader<T> {
  return { read: (json, path, problems) => read(json, () => path, problems), schema };
}

/** Reads a whole document; throws everything that is wrong with it at once. */
export function readWith<T>(reader: Reader<T>, json: unknown, code: CoreErrorCode): T {
  const problems = new Problems();
  const value = reader.read(json, "", problems);
  if (problems.list.length > 0) throw new CoreError(code, problems.list);
  return value;
}
