/** The configuration: defaults, then a file, then the environment, then flags. */
import { readFileSync } from "node:fs";
import { readOptions, type OptionSources } from "@evenkeel/api";
import { AgentError, messageOf } from "../errors.ts";
import { AGENT_OPTIONS } from "./options.ts";
import { AGENT_SCHEMAS, type AgentConfig } from "./schema.ts";

export interface ConfigSources extends Omit<OptionSources, "file"> {
  /** A JSON file with the options' keys. */
  readonly file?: string | undefined;
}

function readFile(path: string): OptionSources["file"] {
  try {
    return { path, text: readFileSync(path, "utf8") };
  } catch (cause) {
    throw new AgentError("BAD_CONFIG", `${path}: ${messageOf(cause)}`, { cause });
  }
}

/** Throws BAD_CONFIG with everything that is wrong, each with the place where it was set. */
export function loadConfig({ file, ...sources }: ConfigSources): AgentConfig {
  const from = file === undefined ? undefined : readFile(file);
  const read = readOptions(AGENT_SCHEMAS, AGENT_OPTIONS, { ...sources, file: from });
  if (read.ok) return read.options;
  const text = read.problems.map(({ path, message }) => `${path}: ${message}`).join("; ");
  throw new AgentError("BAD_CONFIG", text, { problems: read.problems });
}
