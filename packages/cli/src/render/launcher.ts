/** A launcher: what it starts, and with which template. */
import type { LauncherRecord } from "@evenkeel/host";
import { heading, labelled } from "./layout.ts";

const COLUMN = 16;

function line(label: string, text: string): string[] {
  return labelled(label, text.split(" "), 2, COLUMN);
}

/** `did`: what was done with it. */
export function launcherReport(
  record: LauncherRecord,
  at: string,
  did: string,
  problems: readonly string[] = [],
): string {
  const { real, version, moved, source, digest, node, guard, installed } = record;
  return [
    heading(`${did} ${at}`),
    ...line("Firecracker", `${version} at ${real}${moved ? " (moved there)" : ""}`),
    ...line("template", `${source} (sha256 ${digest.slice(0, 12)})`),
    ...line("linted for", node ?? "no node"),
    ...(guard === undefined ? [] : line("guard", `${guard.program}, by ${guard.node}`)),
    ...(guard?.contracts === undefined ? [] : line("contracts", guard.contracts)),
    ...line("installed", installed),
    ...problems.flatMap((problem) => line("problem", problem)),
    "",
  ].join("\n");
}
