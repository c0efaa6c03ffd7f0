/** `-o wide|json|yaml|name`, where a command prints a list. */
import { prettyJson } from "@evenkeel/core";
import { CliError } from "../errors.ts";

const FORMATS = ["wide", "json", "yaml", "name"] as const;
type Format = (typeof FORMATS)[number];

export interface ListingFlags {
  readonly output?: string;
  readonly json?: boolean;
}

export interface Listing {
  /** What `json` and `yaml` print. */
  readonly data: unknown;
  /** What `name` prints, one a line. */
  readonly names: readonly string[];
  readonly text: (wide: boolean) => string;
}

function isFormat(text: string): text is Format {
  return FORMATS.some((format) => format === text);
}

/** Undefined: a table as wide as a terminal. Throws USAGE. */
export function formatOf({ output, json }: ListingFlags): Format | undefined {
  if (output === undefined) return json === true ? "json" : undefined;
  if (isFormat(output)) return output;
  throw new CliError("USAGE", `-o must be one of ${FORMATS.join(", ")}, but is "${output}"`);
}

export async function listingText(
  format: Format | undefined,
  { data, names, text }: Listing,
): Promise<string> {
  if (format === "json") return prettyJson(data);
  if (format === "name") return names.map((name) => `${name}\n`).join("");
  if (format !== "yaml") return text(format === "wide");
  const { stringify } = await import("yaml");
  // By way of JSON: no bigints, no undefined.
  return stringify(JSON.parse(prettyJson(data)));
}
