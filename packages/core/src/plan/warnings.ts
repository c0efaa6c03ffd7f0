/** What an operator should know that no template can change. */
import { listOf } from "../format/text.ts";
import type { NodeClass } from "../profile/class.ts";
import { isOlder, kernelLine } from "../tables/kernels.ts";

/** Guests built for a level refuse to start below it. */
export function floorWarnings(level: string): string[] {
  if (level === "x86-64-v3" || level === "x86-64-v4") return [];
  const built = level === "x86-64-v2" ? "x86-64-v3" : "x86-64-v2 or v3";
  return [
    `The guest CPU is only ${level}: distributions and programs built for ${built} do not start.`,
  ];
}

/**
 * Firecracker tests moving snapshots from an older to the next newer host kernel only.
 * Source: docs/snapshotting/snapshot-support.md, "Where can I resume my snapshots?".
 */
export function kernelWarnings(classes: readonly Pick<NodeClass, "kernels">[]): string[] {
  const lines = new Set(
    classes.flatMap(({ kernels }) => kernels.flatMap((k) => kernelLine(k) ?? [])),
  );
  if (lines.size < 2) return [];
  const sorted = [...lines].toSorted((a, b) => Number(isOlder(b, a)) - Number(isOlder(a, b)));
  return [
    `Host kernels ${listOf(sorted)} are mixed. The plan gives them the same guest CPU, but ` +
      "Firecracker supports moving a snapshot only to the same kernel or the next newer one.",
  ];
}

/** A plan is as good as its facts: an estimate shows what to expect, not what to deploy. */
export function estimateWarnings(classes: readonly Pick<NodeClass, "id" | "estimate">[]): string[] {
  return classes
    .filter(({ estimate }) => estimate)
    .map(
      ({ id }) =>
        `${id} has a node that is an estimate, not a measurement. Plan again ` +
        "with its own fingerprint before using the templates.",
    );
}
