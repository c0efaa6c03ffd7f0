/**
 * Re-reads memory files and disks periodically, to find a bit that flipped on disk before a guest
 * runs on it and before it is copied to another node.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { EventLog } from "../events/log.ts";
import { AgentError, messageOf } from "../errors.ts";
import type { SnapshotStore } from "./snapshots.ts";

/** Slow enough that guests do not feel it. */
const BYTES_PER_SECOND = 64 * 1024 * 1024;
/** How long after the start the first round begins, and how often to check whether one is due. */
const LOOK_MS = 60_000;

interface ScrubOptions {
  readonly snapshots: SnapshotStore;
  readonly events: EventLog;
  /** From one round to the next; 0: never. */
  readonly everyMs: number;
  readonly stopping: AbortSignal;
  readonly report: (what: string, why: string) => void;
}

async function scrubOne({ snapshots, events, report }: ScrubOptions, name: string): Promise<void> {
  try {
    await snapshots.verify(name, BYTES_PER_SECOND);
  } catch (error) {
    if (error instanceof AgentError && error.code === "SNAPSHOT_DAMAGED") {
      events.emit("snapshot.damaged", name, { message: error.message });
    } else if (!(error instanceof AgentError)) {
      report(`scrub of ${name}`, messageOf(error));
    }
  }
}

/** One round over all snapshots that are not known to be damaged. */
export async function scrub(options: ScrubOptions): Promise<void> {
  const { snapshots, stopping } = options;
  for (const { metadata } of snapshots.list()) {
    if (stopping.aborted) return;
    if (metadata.damaged === undefined) await scrubOne(options, metadata.name);
  }
}

/** Scrubs in rounds until the agent stops. */
export async function keepScrubbing(options: ScrubOptions): Promise<void> {
  const { everyMs, stopping } = options;
  if (everyMs === 0) return;
  let due = performance.now();
  while (!stopping.aborted) {
    await sleep(LOOK_MS, undefined, { signal: stopping, ref: false }).catch(() => undefined);
    if (stopping.aborted || performance.now() < due) continue;
    await scrub(options);
    due = performance.now() + everyMs;
  }
}
