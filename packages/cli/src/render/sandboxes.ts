/** The fleet's sandboxes, and what becomes of those of a node that is drained. */
import type { Drain, FleetSandbox } from "@evenkeel/api";
import { plural, table } from "./layout.ts";

export function sandboxesText(sandboxes: readonly FleetSandbox[]): string {
  const rows = sandboxes.map(({ id, node, state, from, memoryMib, created, error }) => [
    id,
    node,
    state,
    from === null ? "<none>" : from.slice(0, 12),
    String(memoryMib),
    created.slice(0, 19),
    error ?? "",
  ]);
  const head = ["ID", "NODE", "STATE", "FROM", "MIB", "CREATED", "ERROR"];
  return `${table(head, rows).join("\n")}\n`;
}

export function drainText({ node, dryRun, pause, move, stay, failed, paused, moved }: Drain) {
  const would = dryRun ? "would be " : "";
  const running = dryRun ? pause.length : paused;
  const moving = dryRun ? move.length : moved;
  const lines = [
    `${node}: ${plural(running, "sandbox")} ${would}paused, ${plural(moving, "snapshot")} ${would}moved`,
    ...(dryRun ? move.map(({ name, to }) => `  ${name} to ${to}`) : []),
    ...stay.map(({ what, why }) => `  stays: ${what}: ${why}`),
    ...failed.map(({ what, why }) => `  failed: ${what}: ${why}`),
    ...(dryRun && stay.length > 0 ? [`go on with --strand ${stay.length}`] : []),
  ];
  return `${lines.join("\n")}\n`;
}
