/**
 * ZIP archives: wheels, JARs, eggs. Entries are found as those who load them do, by the central
 * directory. Source: APPNOTE.TXT 4.3; https://github.com/thejoshwolfe/yauzl.
 */
import { openPromise, type Entry as ZipEntry, type ZipFile } from "yauzl";
import type { Found } from "../candidate.ts";
import { extractAll, type Extraction } from "../entries.ts";
import { normalPath, type Entry } from "../entry.ts";
import { ImageError, type Limits } from "../limits.ts";
import { pullFile, pullStream, type Pull } from "../pull.ts";

const MADE_ON_UNIX = 3;
const FORMAT = 0o170_000;
const REGULAR = 0o100_000;

/** Undecoded, because hostile names are no reason not to read the others. */
function pathOf({ fileNameRaw }: ZipEntry): string {
  return fileNameRaw.toString("utf8");
}

function isFile(entry: ZipEntry): boolean {
  if (pathOf(entry).endsWith("/")) return false;
  if (entry.versionMadeBy >>> 8 !== MADE_ON_UNIX) return true;
  const format = (entry.externalFileAttributes >>> 16) & FORMAT;
  return format === 0 || format === REGULAR;
}

function bodyOf(archive: ZipFile, entry: ZipEntry): Promise<Pull> {
  return archive.openReadStreamPromise(entry).then(pullStream);
}

/** Its own errors are plain ones: whatever is wrong is wrong with the archive. */
function damaged(error: unknown): unknown {
  if (error instanceof ImageError || !(error instanceof Error) || "syscall" in error) return error;
  return new ImageError(`zip: ${error.message}`, { cause: error });
}

async function* zipEntries(path: string, limits: Limits): AsyncGenerator<Entry> {
  const archive = await openPromise(path, { decodeStrings: false, autoClose: false }).catch(
    (error: unknown) => {
      throw damaged(error);
    },
  );
  // Only for entries that nothing is taken from.
  const nothing = await pullFile({ path, start: 0, size: 0 });
  try {
    let count = 0;
    for await (const entry of archive.eachEntry()) {
      count += 1;
      if (count > limits.entries) throw new ImageError(`more than ${limits.entries} entries`);
      const facts = { path: normalPath(pathOf(entry)), size: entry.uncompressedSize, offset: 0 };
      if (!isFile(entry)) yield { ...facts, kind: "other", body: nothing };
      else if (!entry.canDecodeFileData()) {
        const unreadable = entry.isEncrypted()
          ? "encrypted"
          : `compressed with method ${entry.compressionMethod}, which is not read`;
        yield { ...facts, kind: "file", body: nothing, unreadable };
      } else {
        const body = await bodyOf(archive, entry);
        yield { ...facts, kind: "file", body };
        await body.close();
      }
    }
  } catch (error) {
    throw damaged(error);
  } finally {
    await nothing.close();
    archive.close();
  }
}

export async function* findInZip(
  name: string,
  path: string,
  extraction: Extraction,
): AsyncGenerator<Found> {
  yield* extractAll(name, zipEntries(path, extraction.limits), extraction);
}
