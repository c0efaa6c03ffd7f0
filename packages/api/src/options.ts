/** The options of a daemon: a file, then the environment, then flags; the last one wins. */
import { parseJson, type Problem } from "@evenkeel/core";
import type { z } from "zod";

type Values = Readonly<Record<string, unknown>>;

export interface OptionSources {
  /** A JSON file with the options' keys: where it is, and what is in it. */
  readonly file?: { readonly path: string; readonly text: string } | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** By the options' keys. */
  readonly flags: Values;
}

export type Options<Schemas extends Readonly<Record<string, z.ZodType>>> = {
  readonly [Key in keyof Schemas]: z.output<Schemas[Key]>;
};

export type ReadOptions<T> =
  | { readonly ok: true; readonly options: T }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/** `dataDir` as `--data-dir`. */
function flagOf(key: string): string {
  return `--${key.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

interface Found {
  readonly value: unknown;
  /** Where it was set, as a message names it. */
  readonly place: string;
}

function find(key: string, variable: string, values: Values, sources: OptionSources): Found {
  const { flags, env, file } = sources;
  const places: Found[] = [
    { value: flags[key], place: flagOf(key) },
    { value: env[variable], place: variable },
    { value: Object.hasOwn(values, key) ? values[key] : undefined, place: `${file?.path}: ${key}` },
  ];
  const nowhere = { value: undefined, place: `${flagOf(key)} (${variable})` };
  return places.find(({ value }) => value !== undefined) ?? nowhere;
}

interface FileValues {
  readonly values: Values;
  readonly problems: readonly Problem[];
}

function valuesOf(file: OptionSources["file"], known: (key: string) => boolean): FileValues {
  if (file === undefined) return { values: {}, problems: [] };
  const { path, text } = file;
  const none = (message: string) => ({ values: {}, problems: [{ path, message }] });
  let json: unknown;
  try {
    json = parseJson(text);
  } catch (error) {
    return none(error instanceof Error ? error.message : String(error));
  }
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    return none("must be an object");
  }
  const problems = Object.keys(json)
    .filter((key) => !known(key))
    .map((key) => ({ path: `${path}: ${key}`, message: "there is no such option" }));
  return { values: json as Values, problems };
}

/** Finds everything that is wrong, each with the place where it was set. */
export function readOptions<Schemas extends Readonly<Record<string, z.ZodType>>>(
  schemas: Schemas,
  rows: { readonly [Key in keyof Schemas]: { readonly env: string } },
  sources: OptionSources,
): ReadOptions<Options<Schemas>> {
  const { values, problems: wrong } = valuesOf(sources.file, (key) => Object.hasOwn(schemas, key));
  const problems = [...wrong];
  const options: Record<string, unknown> = {};
  for (const [key, schema] of Object.entries(schemas)) {
    const { value, place } = find(key, rows[key as keyof Schemas].env, values, sources);
    const parsed = schema.safeParse(value);
    if (parsed.success) options[key] = parsed.data;
    else problems.push({ path: place, message: parsed.error.issues[0]?.message ?? "is wrong" });
  }
  return problems.length === 0
    ? { ok: true, options: options as Options<Schemas> }
    : { ok: false, problems };
}
