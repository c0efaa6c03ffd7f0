/** What `evenkeel verify` is asked: a template or a plan, for which releases. */
import { existsSync, statSync } from "node:fs";
import { compareLines, knownLine, knownVersions } from "@evenkeel/core";
import { loadDocument } from "../input/documents.ts";
import { installedFirecrackers } from "../input/firecrackers.ts";

export interface VerifyFlags {
  readonly firecracker?: readonly string[];
  readonly name?: string;
  readonly firecrackerDir?: string;
  readonly kvm: string;
  readonly json?: boolean;
}

/** A directory is a plan's; a file says itself what it is. */
export function isPlan(path: string): boolean {
  if (!existsSync(path)) return false;
  return statSync(path).isDirectory() || loadDocument(path).kind === "plan";
}

/** The release lines asked for, else the plan's, else those of what is installed; oldest first. */
export async function linesOf(
  flags: VerifyFlags,
  planned: readonly string[] | undefined,
): Promise<string[]> {
  const asked = flags.firecracker?.flatMap((list) => list.split(","));
  const versions =
    asked ??
    planned ??
    knownVersions((await installedFirecrackers(flags.firecrackerDir)).versions).lines;
  return [...new Set(versions.map(knownLine))].toSorted(compareLines);
}
