/** RPM packages through rpm2cpio: their files are a cpio archive. Source: rpm2cpio(8). */
import { resolve } from "node:path";
import type { Found } from "../candidate.ts";
import { extractAll, type Extraction } from "../entries.ts";
import { pullStream } from "../pull.ts";
import { streamTool, type Tool } from "../tool.ts";
import { cpioSequence } from "./cpio.ts";

const RPM2CPIO: Tool = { command: "rpm2cpio", package: "rpm2cpio", reads: "RPM" };

export async function* findInRpm(
  name: string,
  path: string,
  extraction: Extraction,
): AsyncGenerator<Found> {
  const pull = pullStream(streamTool(RPM2CPIO, [resolve(path)]));
  try {
    yield* extractAll(name, cpioSequence(pull, extraction.limits), extraction);
  } finally {
    await pull.close();
  }
}
