/** The configuration: defaults, then a file, then the environment, then flags. */
import { readFileSync } from "node:fs";
import { parseJson, type Problem } from "@evenkeel/core";
import { AgentError, messageOf } from "../errors.ts";
import { AGENT_OPTIONS, flagOf, type AgentOptionKey } from "./options.ts";
import { AGENT_SCHEMAS, type AgentConfig } from "./schema.ts";

type Values = Readonly<Record<string, unknown>>;

export interface ConfigSources {
  /** A JSON file with the options' keys. */
  readonly file?: string | undefined;
  readonly env: NodeJS.ProcessEnv;
  /** By the options' keys. */
  readonly flags: Values;
}

const KEYS = Object.keys(AGENT_OPTIONS) as AgentOptionKey[];

function readFile(file: string): Values {
  try {
    const json = parseJson(readFileSync(file, "utf8"));
    if (typeof json === "object" && json !== null && !Array.isArray(json)) return json as Values;
  } catch (cause) {
    throw new AgentError("BAD_CONFIG", `${file}: ${messageOf(cause)}`, { cause });
  }
  throw new AgentError("BAD_CONFIG", `${file}: must be an object`);
}

interface Found {
  readonly value: unknown;
  /** Where it was set, as a message names it. */
  readonly place: string;
}

function find(key: AgentOptionKey, file: Values, { flags, env, file: path = "" }: ConfigSources) {
  const { env: variable } = AGENT_OPTIONS[key];
  const places: Found[] = [
    { value: flags[key], place: flagOf(key) },
    { value: env[variable], place: variable },
    { value: file[key], place: `${path}: ${key}` },
  ];
  const nowhere = { value: undefined, place: `${flagOf(key)} (${variable})` };
  return places.find(({ value }) => value !== undefined) ?? nowhere;
}

/** Throws BAD_CONFIG with everything that is wrong, each with the place where it was set. */
export function loadConfig(sources: ConfigSources): AgentConfig {
  const file = sources.file === undefined ? {} : readFile(sources.file);
  const problems: Problem[] = Object.keys(file)
    .filter((key) => !(key in AGENT_OPTIONS))
    .map((key) => ({ path: `${sources.file}: ${key}`, message: "there is no such option" }));
  const config: Record<string, unknown> = {};
  for (const key of KEYS) {
    const { value, place } = find(key, file, sources);
    const parsed = AGENT_SCHEMAS[key].safeParse(value);
    if (parsed.success) config[key] = parsed.data;
    else {
      const [issue] = parsed.error.issues;
      const message = issue?.message ?? "is wrong";
      problems.push({ path: place, message });
    }
  }
  if (problems.length > 0) {
    const text = problems.map(({ path, message }) => `${path}: ${message}`).join("; ");
    throw new AgentError("BAD_CONFIG", text, { problems });
  }
  return config as AgentConfig;
}
