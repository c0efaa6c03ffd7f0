/** The fleet's sandboxes as a table. */
import type { FleetSandbox } from "@evenkeel/api";
import { table } from "./layout.ts";

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
