/**
 * The cheap facts that show when to probe a node again: kernel boot, microcode, and the content of
 * the Firecracker directory.
 */
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { readHostFacts } from "./host-facts.ts";

export interface Pulse {
  readonly boot: string;
  readonly microcode: string;
  readonly firecracker: string;
}

/** Names and times of change, two levels deep: a version, and its architectures. */
function listing(directory: string, depth: number): string[] {
  let names: string[];
  try {
    names = readdirSync(directory).toSorted();
  } catch {
    // Missing, or not a directory: a state like any other, which may change.
    return [];
  }
  return names.flatMap((name) => {
    const path = join(directory, name);
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat === undefined) return [];
    const own = `${path}:${stat.mtimeMs}:${stat.size}:${stat.mode}`;
    return stat.isDirectory() && depth > 0 ? [own, ...listing(path, depth - 1)] : [own];
  });
}

/** `root`: where /proc and /sys are. */
export function readPulse(firecrackerDirectory: string, root = "/"): Pulse {
  const { bootId = "", microcode = "", kernel = "" } = readHostFacts(root);
  return {
    boot: `${bootId} ${kernel}`,
    microcode,
    firecracker: listing(firecrackerDirectory, 2).join("\n"),
  };
}

/** Which of the facts changed. */
export function pulseChanges(before: Pulse, after: Pulse): (keyof Pulse)[] {
  const keys = ["boot", "microcode", "firecracker"] as const;
  return keys.filter((key) => before[key] !== after[key]);
}
