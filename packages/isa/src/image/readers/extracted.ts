/** Images whose tools can do nothing but write their files out, into a folder of the workspace. */
import { mkdirSync, statfsSync } from "node:fs";
import type { Found } from "../candidate.ts";
import type { Extraction } from "../entries.ts";
import { printable } from "../entry.ts";
import { sizeText } from "../limits.ts";
import { runTool, type Tool } from "../tool.ts";
import { findInTree } from "../tree.ts";

/** Room that stays free on the disk of the temporary folder. */
const SPARE = 256 * 1024 * 1024;

function roomAt(directory: string): number {
  const { bavail, bsize } = statfsSync(directory);
  return bavail * bsize;
}

/**
 * Runs a tool that writes an image's files into the folder that `argumentsFor` is given, and finds
 * machine code in them. Ends it where they take more room than they may.
 */
export async function* findExtracted(
  name: string,
  tool: Tool,
  argumentsFor: (folder: string) => readonly string[],
  extraction: Extraction,
): AsyncGenerator<Found> {
  const folder = extraction.workspace.next();
  mkdirSync(folder, { mode: 0o700 });
  const before = roomAt(folder);
  await runTool(tool, argumentsFor(folder), {
    watch: (end) => {
      const room = roomAt(folder);
      const why = extraction.budget.refusal(before - room);
      if (why !== undefined) end(why);
      else if (room < SPARE) end(`less than ${sizeText(SPARE)} of room are left to copy it out`);
    },
  });
  extraction.budget.spend(Math.max(0, before - roomAt(folder)));
  const nameOf = (path: string) => `${name}!${printable(path.slice(folder.length)) || "/"}`;
  yield* findInTree(folder, extraction, { nameOf, copies: true });
}
