/** Machine code among the entries of an archive, copied out to be scanned. */
import { isMachineCode, MAGIC_SIZE } from "../scan/scan-file.ts";
import { found, skipped, type Found } from "./candidate.ts";
import { printable, type Entry } from "./entry.ts";
import { ImageError, type Limits } from "./limits.ts";
import { copyOut, type Workspace } from "./workspace.ts";

export interface Extraction {
  readonly workspace: Workspace;
  readonly limits: Limits;
}

/** An entry's candidate; undefined where it is no machine code. */
async function extract(
  image: string,
  entry: Entry,
  { workspace, limits }: Extraction,
): Promise<Found | undefined> {
  if (entry.kind !== "file" || entry.size < MAGIC_SIZE) return undefined;
  const name = `${image}!/${printable(entry.path)}`;
  if (entry.unreadable !== undefined) return skipped(name, entry.unreadable);
  const head = await entry.body.take(MAGIC_SIZE);
  if (!isMachineCode(head)) return undefined;
  if (entry.size > limits.file) return skipped(name, `larger than ${limits.file} bytes`);
  return found(name, await copyOut(entry.body, head, entry.size, workspace, limits), true);
}

/** Candidates of an archive; what breaks it off is its last word. */
export async function* extractAll(
  image: string,
  entries: AsyncIterable<Entry>,
  extraction: Extraction,
  wanted: (path: string) => boolean = () => true,
): AsyncGenerator<Found> {
  try {
    for await (const entry of entries) {
      if (!wanted(entry.path)) continue;
      const result = await extract(image, entry, extraction);
      if (result !== undefined) yield result;
    }
  } catch (error) {
    if (!(error instanceof ImageError)) throw error;
    yield skipped(image, error.message, true);
  }
}
