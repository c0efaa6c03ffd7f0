/**
 * Which fleet `evenkeel fleet` talks to: contexts in a file that only its owner may read, because
 * each contains a token.
 */
import { existsSync, mkdirSync, renameSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { parseJson, prettyJson } from "@evenkeel/core";
import { CliError } from "../errors.ts";
import { readSecret } from "../input/secret.ts";

export interface FleetContext {
  /** `https://host:port` */
  readonly server: string;
  /** PEM of the fleet's CA. */
  readonly ca: string;
  readonly token: string;
}

interface ContextsFile {
  readonly current: string;
  readonly contexts: Readonly<Record<string, FleetContext>>;
}

/** EVENKEEL_FLEET_CONFIG, else the XDG configuration directory. */
function contextsPath(env: NodeJS.ProcessEnv): string {
  const { EVENKEEL_FLEET_CONFIG: named, XDG_CONFIG_HOME: base } = env;
  if (named !== undefined && named !== "") return named;
  const home = base === undefined || base === "" ? join(homedir(), ".config") : base;
  return join(home, "evenkeel", "fleet.json");
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}

function isContext(value: unknown): value is FleetContext {
  const { server, ca, token } = (value ?? {}) as Partial<FleetContext>;
  return isText(server) && isText(ca) && isText(token);
}

/** Throws USAGE if the file is not a list of contexts, and what `readSecret` throws. */
function readContexts(path: string): ContextsFile | undefined {
  if (!existsSync(path)) return undefined;
  const json = parseJson(readSecret(path)) as Partial<ContextsFile>;
  const { current, contexts } = json;
  if (isText(current) && Object.values(contexts ?? {}).every(isContext)) {
    return { current, contexts: contexts ?? {} };
  }
  throw new CliError("NO_FLEET", `${path}: not a contexts file`);
}

/** The context that is named, or the current one; throws NO_FLEET. */
export function contextOf(env: NodeJS.ProcessEnv, name: string | undefined): FleetContext {
  const path = contextsPath(env);
  const file = readContexts(path);
  const wanted = name ?? file?.current;
  const found = wanted === undefined ? undefined : file?.contexts[wanted];
  if (found !== undefined) return found;
  const what = wanted === undefined ? "no fleet is configured" : `no fleet is called "${wanted}"`;
  throw new CliError("NO_FLEET", `${path}: ${what}`);
}

/** Adds a context, or replaces it, and makes it the current one. */
export function keepContext(env: NodeJS.ProcessEnv, name: string, context: FleetContext): string {
  const path = contextsPath(env);
  const { contexts = {} } = readContexts(path) ?? {};
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const text = prettyJson({ current: name, contexts: { ...contexts, [name]: context } });
  const temporary = `${path}.${process.pid}.tmp`;
  writeFileSync(temporary, text, { mode: 0o600 });
  renameSync(temporary, path);
  return path;
}
