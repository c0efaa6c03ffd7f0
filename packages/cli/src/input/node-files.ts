/** The profiles that a command is given: files, and directories full of them. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import type { NodeProfile } from "@evenkeel/core";
import { CliError } from "../errors.ts";
import { countLine } from "../output/progress.ts";
import { profileLoader, type ReadFlags } from "./documents.ts";
import { isDirectory, refuseStdinTwice, unreadable } from "./read.ts";

const PROFILE = /\.(?:json|txt|xml)$/;

function filesIn(directory: string): string[] {
  let names: string[];
  try {
    names = readdirSync(directory);
  } catch (error) {
    throw unreadable(directory, error);
  }
  const files = names.filter((name) => PROFILE.test(name) && !name.startsWith("."));
  if (files.length > 0) return files.toSorted().map((name) => join(directory, name));
  throw new CliError("DIRECTORY", `${directory}: has no file *.json, *.txt or *.xml`);
}

/** Each directory replaced by the profiles in it, sorted by name; refuses standard input twice. */
export function nodeFiles(paths: readonly string[]): string[] {
  refuseStdinTwice(paths);
  return paths.flatMap((path) => (path !== "-" && isDirectory(path) ? filesIn(path) : [path]));
}

/** Loads them all, with a progress line if it takes long. */
export function loadNodes(
  paths: readonly string[],
  flags: ReadFlags = {},
): { readonly file: string; readonly profile: NodeProfile }[] {
  const files = nodeFiles(paths);
  const load = profileLoader(flags);
  const progress = countLine("reading profiles", files.length);
  try {
    return files.map((file, i) => {
      progress.show(i);
      return { file, profile: load(file) };
    });
  } finally {
    progress.clear();
  }
}
