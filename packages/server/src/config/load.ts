/** The configuration: defaults, then a file, then the environment, then flags. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { readOptions, type Options, type OptionSources } from "@evenkeel/api";
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
  e2bDomain: z
    .string()
    .regex(/^(?=.{1,200}$)[a-z0-9]+(?:[-.][a-z0-9]+)*$/, {
      error: "must be a domain name in lower case",
    })
    .optional(),
  e2bListen: text
    .default(SERVER_OPTIONS.e2bListen.default)
    .transform((given, context) => addressOf(given) ?? refuse(context, "must be host:port")),
  logLevel: z
    .enum(["debug", "info", "warn", "error", "silent"])
    .default(SERVER_OPTIONS.logLevel.default),
} as const satisfies Record<ServerOptionKey, z.ZodType>;

export type ServerConfig = Options<typeof SCHEMAS>;

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

interface Sources extends Omit<OptionSources, "file"> {
  /** A JSON file with the options' keys. */
  readonly file?: string | undefined;
}

function readFile(path: string): OptionSources["file"] {
  try {
    return { path, text: readFileSync(path, "utf8") };
  } catch (cause) {
    throw new ServerError("BAD_CONFIG", `${path}: ${messageOf(cause)}`, { cause });
  }
}

/** Throws BAD_CONFIG with everything that is wrong, each with the place where it was set. */
export function loadServerConfig({ file, ...sources }: Sources): ServerConfig {
  const from = file === undefined ? undefined : readFile(file);
  const read = readOptions(SCHEMAS, SERVER_OPTIONS, { ...sources, file: from });
  if (read.ok) return read.options;
  const all = read.problems.map(({ path, message }) => `${path}: ${message}`).join("; ");
  throw new ServerError("BAD_CONFIG", all, { problems: read.problems });
}
