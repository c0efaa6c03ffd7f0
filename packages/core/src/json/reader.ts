/**
 * Readers of JSON that report every problem with its place, and say in JSON Schema what they take.
 * A file's format is put together of them: what is read and what docs/schemas publishes are one.
 */
import type { CoreErrorCode } from "../errors.ts";
import { foundText, isObject, kindOf, Problems } from "./problems.ts";

/** JSON Schema 2020-12, as far as it is needed. */
export type JsonSchema = Readonly<Record<string, unknown>>;

export interface Reader<T> {
  /** Reads a value; a problem is added, and something harmless returned in its place. */
  readonly read: (json: unknown, problems: Problems) => T;
  readonly schema: JsonSchema;
  /** The member may be left out. */
  readonly optional?: boolean;
}

export const text: Reader<string> = {
  read: (json, problems) => {
    if (typeof json === "string") return json;
    problems.add(`must be a string, but is ${kindOf(json)}`);
    return "";
  },
  schema: { type: "string" },
};

export function textLike(pattern: RegExp, message: string): Reader<string> {
  return {
    read: (json, problems) => {
      if (typeof json === "string" && pattern.test(json)) return json;
      problems.add(message);
      return "";
    },
    schema: { type: "string", pattern: pattern.source },
  };
}

export const flag: Reader<boolean> = {
  read: (json, problems) => {
    if (typeof json !== "boolean") problems.add(`must be true or false, but is ${kindOf(json)}`);
    return json === true;
  },
  schema: { type: "boolean" },
};

/** A number from `least` to `most`; `what` says in a message which one that is. */
export function number(
  what: string,
  { least, most = Infinity, whole = true }: { least: number; most?: number; whole?: boolean },
): Reader<number> {
  return {
    read: (json, problems) => {
      const isIn = typeof json === "number" && json >= least && json <= most;
      if (isIn && (!whole || Number.isInteger(json))) return json;
      problems.add(
        `must be ${what}, but is ${typeof json === "string" ? "a string" : foundText(json)}`,
      );
      return 0;
    },
    schema: {
      type: whole ? "integer" : "number",
      minimum: least,
      ...(most === Infinity ? {} : { maximum: most }),
    },
  };
}

export function oneOf<const Words extends readonly [string, ...string[]]>(
  ...words: Words
): Reader<Words[number]> {
  const last = words.at(-1);
  const known = words.length === 1 ? last : `${words.slice(0, -1).join(", ")} or ${last}`;
  return {
    read: (json, problems) => {
      const found = words.find((word) => word === json);
      if (found === undefined) problems.add(`must be ${known}, but is ${foundText(json)}`);
      return found ?? words[0];
    },
    schema: { enum: words },
  };
}

/** Nearly all files leave some lists out. */
const NO_ITEMS: readonly never[] = [];

/** A list; one that is left out is empty. */
export function listOf<T>(item: Reader<T>): Reader<readonly T[]> {
  return {
    read: (json, problems) => {
      if (json === undefined) return NO_ITEMS;
      if (Array.isArray(json)) return json.map((one, i) => problems.within(i, item, one));
      problems.add(`must be a list, but is ${kindOf(json)}`);
      return NO_ITEMS;
    },
    schema: { type: "array", items: item.schema },
    optional: true,
  };
}

/** A list without duplicates: which one counts would be a guess. `nameOf`: for messages. */
export function uniqueListOf<T>(
  item: Reader<T>,
  keyOf: (item: T) => string | number | bigint,
  nameOf?: (item: T) => string,
): Reader<readonly T[]> {
  const list = listOf(item);
  const read = (json: unknown, problems: Problems) => {
    const before = problems.list.length;
    const items = list.read(json, problems);
    const seen = new Map<string | number | bigint, number>();
    for (const [i, one] of problems.list.length > before ? [] : items.entries()) {
      const first = seen.get(keyOf(one));
      const name = nameOf === undefined ? "" : ` (${nameOf(one)})`;
      if (first === undefined) seen.set(keyOf(one), i);
      else problems.add(`duplicate of ${problems.place(first)}${name}`, i);
    }
    return items;
  };
  return { ...list, read };
}

export function required<T>(reader: Reader<T>): Reader<T> {
  return {
    read: (json, problems) => {
      if (json === undefined) problems.add("is missing");
      return reader.read(json, problems);
    },
    schema: reader.schema,
  };
}

export function mapOf<T>(value: Reader<T>): Reader<Readonly<Record<string, T>>> {
  return {
    read: (json, problems) => {
      if (isObject(json)) {
        return Object.fromEntries(
          Object.entries(json).map(([key, one]) => [key, problems.within(key, value, one)]),
        );
      }
      problems.add(`must be an object, but is ${kindOf(json)}`);
      return {};
    },
    schema: { type: "object", additionalProperties: value.schema },
  };
}

/** A member that may be left out. */
export function maybe<T>(reader: Reader<T>): Reader<T | undefined> {
  return orElse<T | undefined>(reader, undefined);
}

/** A member that stands for something where it is left out. */
export function orElse<T>(reader: Reader<T>, fallback: T): Reader<T> {
  return {
    read: (json, problems) => (json === undefined ? fallback : reader.read(json, problems)),
    schema: reader.schema,
    optional: true,
  };
}

export type Members = Readonly<Record<string, Reader<unknown>>>;
export type ReadMembers<M extends Members> = {
  readonly [K in keyof M]: M[K] extends Reader<infer T> ? T : never;
};

/** An object with these members; what else it has is left to newer releases and not read. */
export function objectOf<M extends Members>(members: M): Reader<ReadMembers<M>> {
  const entries = Object.entries(members);
  return {
    read: (json, problems) => {
      if (!isObject(json)) problems.add(`must be an object, but is ${kindOf(json)}`);
      const object = isObject(json) ? json : {};
      // Members of what is no object are not missed one by one.
      const own = isObject(json) ? problems : new Problems();
      const read: Record<string, unknown> = {};
      for (const [name, reader] of entries) read[name] = own.within(name, reader, object[name]);
      return read as ReadMembers<M>;
    },
    schema: {
      type: "object",
      properties: Object.fromEntries(entries.map(([name, { schema }]) => [name, schema])),
      required: entries.filter(([, { optional }]) => optional !== true).map(([name]) => name),
    },
  };
}

/** An object with these members and no others, unless `known` names them. */
export function strictObjectOf<M extends Members>(
  members: M,
  known: readonly string[] = Object.keys(members),
): Reader<ReadMembers<M>> {
  const open = objectOf(members);
  return {
    read: (json, problems) => {
      for (const key of isObject(json) ? Object.keys(json) : []) {
        if (known.includes(key)) continue;
        problems.add(`unknown key; known here: ${known.join(", ")}`, key);
      }
      return open.read(json, problems);
    },
    schema: { ...open.schema, additionalProperties: false },
  };
}

type Present<T> = {
  readonly [K in keyof T as undefined extends T[K] ? never : K]: T[K];
} & { readonly [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined> };

export function present<T extends object>(object: T): Present<T> {
  const members = Object.entries(object).filter(([, value]) => value !== undefined);
  return Object.fromEntries(members) as Present<T>;
}

/** What another reader makes of a value, made into something else. */
export function mapped<A, B>(
  reader: Reader<A>,
  make: (value: A, problems: Problems) => B,
): Reader<B> {
  return { ...reader, read: (json, problems) => make(reader.read(json, problems), problems) };
}

/** Reads a whole document; throws everything that is wrong with it at once. */
export function readWith<T>(reader: Reader<T>, json: unknown, code: CoreErrorCode, place = ""): T {
  const problems = new Problems(place);
  const value = reader.read(json, problems);
  problems.throwIfAny(code);
  return value;
}
