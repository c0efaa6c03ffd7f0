/**
 * Records what real Firecrackers say, for the double to be held to: packages/firecracker-double's
 * `test/transcripts`, one file a release. Needs a KVM that runs a guest of a few bytes.
 *
 *   npm run transcripts -- /path/to/firecracker …
 */
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { SCENARIOS, type Heard } from "../packages/firecracker-double/test/transcript/scenarios.ts";
import {
  play,
  transcriptPath,
  type Transcript,
} from "../packages/firecracker-double/test/transcript/transcript.ts";

function versionOf(binary: string): string {
  const said = execFileSync(binary, ["--version"], { encoding: "utf8" });
  const version = /^Firecracker v(\S+)/.exec(said)?.[1];
  if (version === undefined) throw new Error(`${binary} is no Firecracker: ${said}`);
  return version;
}

async function record(binary: string): Promise<void> {
  const firecracker = versionOf(binary);
  const scenarios: Record<string, readonly Heard[]> = {};
  for (const scenario of SCENARIOS) scenarios[scenario.name] = await play(scenario, binary);
  const date = new Date().toISOString().slice(0, 10);
  const provenance = `said by Firecracker ${firecracker} on ${process.arch}, ${date}`;
  const transcript: Transcript = { firecracker, provenance, scenarios };
  const path = transcriptPath(firecracker);
  writeFileSync(path, `${JSON.stringify(transcript, undefined, 1)}\n`);
  process.stdout.write(`${path}\n`);
}

const binaries = process.argv.slice(2);
if (binaries.length === 0) throw new Error("name the Firecracker binaries to record");
for (const binary of binaries) await record(resolve(binary));
