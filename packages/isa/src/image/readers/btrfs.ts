/**
 * btrfs through `btrfs restore`, which makes no links: a name can only lead out of the folder by
 * `..`, and its list is read for that before anything is written. Source: btrfs-restore(8).
 */
import { resolve } from "node:path";
import type { Found } from "../candidate.ts";
import type { Extraction } from "../entries.ts";
import { ImageError } from "../limits.ts";
import { runTool, type Tool } from "../tool.ts";
import { findExtracted } from "./extracted.ts";

const BTRFS: Tool = { command: "btrfs", package: "btrfs-progs", reads: "btrfs" };

/** `image`: a file with nothing but the file system. */
export async function* findInBtrfs(
  name: string,
  image: string,
  extraction: Extraction,
): AsyncGenerator<Found> {
  const path = resolve(image);
  const list = await runTool(BTRFS, ["restore", "-s", "-D", "-vv", path, "/"]);
  if (/(?:^|\/)\.\.(?:\/|$)/m.test(list)) throw new ImageError("btrfs: a name in it has `..`");
  const { entries } = extraction.limits;
  if (list.split("\n").length > entries) throw new ImageError(`more than ${entries} files`);
  yield* findExtracted(name, BTRFS, (folder) => ["restore", "-s", path, folder], extraction);
}
