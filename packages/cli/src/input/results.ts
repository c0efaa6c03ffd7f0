/** What `evenkeel report` reads: results of other commands, and profiles, in files and directories. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { inFile, parseJson, type NodeProfile } from "@evenkeel/core";
import { readResult, type Result } from "@evenkeel/web";
import { CliError } from "../errors.ts";
import { documentOf, type ReadFlags } from "./documents.ts";
import { displayName, isDirectory, readInput, refuseStdinTwice, unreadable } from "./read.ts";

export interface ReportInputs {
  readonly results: readonly Result[];
  readonly profiles: readonly NodeProfile[];
}

/** The most entries of a directory of profiles or pools; a whole file system would be a mistake. */
const MOST_FILES = 20_000;

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory).toSorted();
  } catch (error) {
    throw unreadable(directory, error);
  }
}

/** A plan's directory is its plan, that of several pools their plans, any other one its JSON files. */
function filesIn(directory: string): string[] {
  const names = namesIn(directory);
  if (names.includes("plan.json")) return [join(directory, "plan.json")];
  const pools = names.filter((name) => /^pool-\d+$/.test(name));
  if (pools.length > 0) return pools.map((name) => join(directory, name, "plan.json"));
  const files = names.filter((name) => name.endsWith(".json"));
  if (files.length === 0) {
    throw new CliError("DIRECTORY", `${directory}: has no plan.json and no other JSON files`);
  }
  if (files.length > MOST_FILES) {
    throw new CliError("USAGE", `${directory}: has more than ${MOST_FILES} JSON files`);
  }
  return files.map((name) => join(directory, name));
}

function resultIn(file: string, text: string): Result | undefined {
  if (!/^\s*\{/.test(text)) return undefined;
  return inFile(displayName(file), () => readResult(parseJson(text)));
}

/**
 * Reads everything named; for what cannot be shown, throws an error with the file and the place.
 */
export function loadReportInputs(paths: readonly string[], flags: ReadFlags): ReportInputs {
  refuseStdinTwice(paths);
  const results: Result[] = [];
  const profiles: NodeProfile[] = [];
  for (const file of paths.flatMap((path) => (isDirectory(path) ? filesIn(path) : [path]))) {
    const text = readInput(file).toString("utf8");
    const result = resultIn(file, text);
    if (result !== undefined) {
      results.push(result);
      continue;
    }
    const document = documentOf(file, text, flags);
    if (document.kind !== "profile") {
      const what = `is a ${document.kind}; a report shows profiles and what commands print with --json`;
      throw new CliError("USAGE", `${displayName(file)}: ${what}`);
    }
    profiles.push(document.profile);
  }
  return { results, profiles };
}
