/** The configuration: defaults, then a file, then the environment, then flags. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { parseJson, type Problem } from "@evenkeel/core";
import { z } from "zod";
import { messageOf, ServerError } from "../errors.ts";
import { SERVER_OPTIONS, type ServerOptionKey } from "./options.ts";

const text = z.string().min(1);

const SCHEMAS = {
  dataDir: text.default(SERVER_OPTIONS.dataDir.default).transform((given) => resolve(given)),
  listen: text
    .default(SERVER_OPTIONS.listen.default)
    .transform((given, context) => addressOf(given) ?? refuse(context, "must be host:port")),
  databaseUrl: z
    .string()
    .regex(/^postgres(?:ql)?:\/\//, { error: "must be postgres://…" })
    .optional(),
  names: z
    .string()
    .default("")
    .transform((list) => list.split(",").filter((name) => name !== "")),
  logLevel: z
    .enum(["debug", "info", "warn", "error", "silent"])
    .default(SERVER_OPTIONS.logLevel.default),
} as const satisfies Record<ServerOptionKey, z.ZodType>;

export type ServerConfig = {
  readonly [Key in ServerOptionKey]: z.output<(typeof SCHEMAS)[Key]>;
};

function refuse(context: z.RefinementCtx, message: string): never {
  context.addIssue({ code: "custom", message });
  return z.NEVER;
}

/** `127.0.0.1:7701`, `[::1]:7701`. */
function addressOf(given: string): { readonly host: string; readonly port: number } | undefined {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:]+)):(\d{1,5})$/.exec(given);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) return undefined;
  return { host: match[1] ?? match[2] ?? "", port };
}

type Values = Readonly<Record<string, unknown>>;

function readFile(file: string): Values {
  try {
    const json = parseJson(readFileSync(file, "utf8"));
    if (typeof json === "object" && json !== null && !Array.isArray(json)) return json as Values;
  } catch (cause) {
    throw new ServerError("BAD_CONFIG", `${file}: ${messageOf(cause)}`, { cause });
  }
  throw new ServerError("BAD_CONFIG", `${file}: must be an object`);
}

interface Sources {
  /** A JSON file with the options' keys. */
  readonly file?: string | undefined;
  readonly env: NodeJS.ProcessEnv;
  readonly flags: Values;
}

/** Throws BAD_CONFIG with everything that is wrong, each with the place where it was set. */
export function loadServerConfig({ file: path, env, flags }: Sources): ServerConfig {
  const file = path === undefined ? {} : readFile(path);
  const problems: Problem[] = Object.keys(file)
    .filter((key) => !(key in SERVER_OPTIONS))
    .map((key) => ({ path: `${path}: ${key}`, message: "there is no such option" }));
  const config: Record<string, unknown> = {};
  for (const key of Object.keys(SERVER_OPTIONS) as ServerOptionKey[]) {
    const { env: variable } = SERVER_OPTIONS[key];
    const [value, place] =
      flags[key] !== undefined
        ? [flags[key], key]
        : env[variable] !== undefined
          ? [env[variable], variable]
          : [file[key], `${path ?? ""}: ${key}`];
    const parsed = SCHEMAS[key].safeParse(value);
    if (parsed.success) config[key] = parsed.data;
    else problems.push({ path: place, message: parsed.error.issues[0]?.message ?? "is wrong" });
  }
  if (problems.length === 0) return config as unknown as ServerConfig;
  const all = problems.map((problem) => `${problem.path}: ${problem.message}`).join("; ");
  throw new ServerError("BAD_CONFIG", all, { problems });
}
