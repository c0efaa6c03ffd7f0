/** What one release said, as it is kept in `test/transcripts`. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { furnish, type Heard, type Scenario } from "./scenarios.ts";

export interface Transcript {
  /** The release, as it names itself. */
  readonly firecracker: string;
  /** When and on what it was recorded. */
  readonly provenance: string;
  /** By the scenarios' names. */
  readonly scenarios: Readonly<Record<string, readonly Heard[]>>;
}

const DIRECTORY = join(import.meta.dirname, "../transcripts");

export function transcriptPath(version: string): string {
  return join(DIRECTORY, `${version}.json`);
}

export function readTranscripts(): Transcript[] {
  return readdirSync(DIRECTORY)
    .filter((name) => name.endsWith(".json"))
    .map((name) => JSON.parse(readFileSync(join(DIRECTORY, name), "utf8")) as Transcript);
}

/** Plays a scenario in a directory of its own, which is gone afterwards. */
export async function play(scenario: Scenario, binary: string): Promise<readonly Heard[]> {
  const directory = mkdtempSync(join(tmpdir(), "evenkeel-said-"));
  try {
    furnish(directory);
    return await scenario.play(binary, directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
