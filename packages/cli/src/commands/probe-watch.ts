/** `evenkeel probe --watch`: a JSON line whenever what this machine offers has changed. */
import { existsSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { changedMembers, formatProfile, profileToJson, type NodeProfile } from "@evenkeel/core";
import { pulseChanges, readPulse } from "@evenkeel/host";
import { describeError } from "../errors.ts";
import { profileLoader } from "../input/documents.ts";
import { firecrackerDirectory } from "../input/firecrackers.ts";
import { writeFileWhole } from "../output/write-files.ts";

export interface WatchFlags {
  readonly out?: string;
  readonly firecrackerDir?: string;
}

/** How often the cheap facts are checked. */
const PULSE_MS = 1000;

/** Why the node was probed, what is new, and the whole profile. */
function printLine(reasons: readonly string[], changed: readonly string[], profile: NodeProfile) {
  const time = new Date().toISOString();
  const line = { time, reasons, changed, profile: profileToJson(profile) };
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

/** Aborts on SIGINT and SIGTERM, and when nobody reads the lines any more. */
export function endSignal(): AbortSignal {
  const controller = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => controller.abort());
  }
  process.stdout.once("error", () => controller.abort());
  return controller.signal;
}

/** Waits, but returns early when told to stop. */
export async function rest(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(ms, undefined, { signal });
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

/**
 * Prints the first profile, or what has changed since the one in `--out`, then a line per change.
 * If the first probe fails, so does the command; a later failure is reported and retried.
 */
export async function watchNode(
  probe: () => Promise<NodeProfile>,
  { out, firecrackerDir }: WatchFlags,
  interval: number,
): Promise<number> {
  const end = endSignal();
  const directory = firecrackerDirectory(firecrackerDir);
  let known = out !== undefined && existsSync(out) ? profileLoader()(out) : undefined;
  let pulse = readPulse(directory);
  let reasons: readonly string[] = ["start"];
  let next = 0;
  while (!end.aborted) {
    if (reasons.length > 0) {
      try {
        const profile = await probe();
        const changed = known === undefined ? [] : changedMembers(known, profile);
        if (known === undefined || changed.length > 0) {
          if (out !== undefined) writeFileWhole(out, formatProfile(profile));
          printLine(reasons, changed, profile);
        }
        known = profile;
      } catch (error) {
        if (known === undefined) throw error;
        process.stderr.write(`evenkeel: ${describeError(error).message}\n`);
      }
      next = Date.now() + interval * 1000;
    }
    await rest(PULSE_MS, end);
    const now = readPulse(directory);
    const changes = pulseChanges(pulse, now);
    reasons = changes.length > 0 ? changes : Date.now() >= next ? ["interval"] : [];
    pulse = now;
  }
  return 0;
}
