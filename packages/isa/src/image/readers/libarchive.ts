/**
 * ISO 9660 and 7-Zip through libarchive's bsdtar, which gives a tar archive of what is in
 * them: nothing is written by a name that they give. Source: bsdtar(1), "@archive".
 */
import { resolve } from "node:path";
import type { Found } from "../candidate.ts";
import { extractAll, type Extraction } from "../entries.ts";
import { pullStream } from "../pull.ts";
import { streamTool } from "../tool.ts";
import { wholeTar } from "./tar.ts";

export async function* findByLibarchive(
  name: string,
  path: string,
  reads: string,
  extraction: Extraction,
): AsyncGenerator<Found> {
  const tool = { command: "bsdtar", package: "libarchive-tools", reads };
  const pull = pullStream(streamTool(tool, ["-cf", "-", "--format=pax", `@${resolve(path)}`]));
  try {
    yield* extractAll(name, wholeTar(pull, extraction.limits), extraction);
  } finally {
    await pull.close();
  }
}
