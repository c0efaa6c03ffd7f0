/**
 * squashfs through unsquashfs, which gives a "pseudo file": a line for each entry, then the bytes
 * of all files one after another. Nothing is written by a name that the image gives.
 * Source: unsquashfs 4.5, -pf; README-4.5.1 of squashfs-tools, "Pseudo file definition format".
 */
import { resolve } from "node:path";
import type { Found } from "../candidate.ts";
import { extractAll, type Extraction } from "../entries.ts";
import { normalPath, type Entry } from "../entry.ts";
import { ImageError, sizeText, type Limits } from "../limits.ts";
import { pullStream, type FilePart, type Pull } from "../pull.ts";
import { requireTool, streamTool, type Tool } from "../tool.ts";

const UNSQUASHFS: Tool = { command: "unsquashfs", package: "squashfs-tools", reads: "squashfs" };
/** It opens its output by name, which a socket, as Node's pipes are, does not allow. */
const SHELL: Tool = { command: "sh", package: "dash", reads: "squashfs" };
const SCRIPT = `
  exec 3>&1
  failed=$({ { unsquashfs -n -q -o "$1" -pf /dev/stdout "$2" || echo "$?" >&4; } | cat >&3; } 4>&1)
  exit "\${failed:-0}"
`;
/** Spaces in names are escaped, so that no name can look like it. */
const START_OF_DATA = "\n# START OF DATA - DO NOT MODIFY\n#\n";
const LONGEST_LISTING = 256 * 1024 * 1024;
const CHUNK = 64 * 1024;

interface Listing {
  readonly text: string;
  /** What was taken of the data already. */
  readonly rest: Buffer;
}

async function readListing(pull: Pull): Promise<Listing> {
  const chunks: Buffer[] = [];
  let tail = Buffer.alloc(0);
  for (let size = 0; size < LONGEST_LISTING;) {
    const chunk = await pull.take(CHUNK);
    chunks.push(chunk);
    size += chunk.length;
    const seen = Buffer.concat([tail, chunk]);
    const at = seen.indexOf(START_OF_DATA);
    if (at !== -1 || chunk.length === 0) {
      const all = Buffer.concat(chunks);
      const end = at === -1 ? all.length : all.length - seen.length + at;
      return {
        text: all.toString("utf8", 0, end),
        rest: at === -1 ? Buffer.alloc(0) : all.subarray(end + START_OF_DATA.length),
      };
    }
    tail = seen.subarray(-START_OF_DATA.length);
  }
  throw new ImageError(`squashfs: its listing has more than ${sizeText(LONGEST_LISTING)}`);
}

interface File {
  readonly path: string;
  readonly size: number;
  readonly offset: number;
}

/**
 * `usr/bin/na\ me R 1795694010 644 0 0 35664 3145730`: time, mode, owner, size, offset; 4.6 adds
 * whether it is sparse. Names may have newlines in them.
 */
const FILE = /^((?:[^ \\]|\\[^])+?) R \d+ [0-7]+ \d+ \d+ (\d+) (\d+)(?: [01])?$/gm;

function filesIn(text: string, { entries }: Limits): File[] {
  const files: File[] = [];
  for (const [, path = "", size, offset] of text.matchAll(FILE)) {
    const plain = path.replaceAll(/\\([^])/g, "$1");
    files.push({ path: normalPath(plain), size: Number(size), offset: Number(offset) });
    if (files.length > entries) throw new ImageError(`more than ${entries} files`);
  }
  return files.toSorted((a, b) => a.offset - b.offset);
}

/** What was taken too early, before what is left. */
function after(rest: Buffer, pull: Pull): Pull {
  let at = 0;
  return {
    ...pull,
    position: () => at,
    async take(length) {
      const first = rest.subarray(at, at + length);
      at += first.length;
      if (first.length === length) return first;
      const more = await pull.take(length - first.length);
      at += more.length;
      return first.length === 0 ? more : Buffer.concat([first, more]);
    },
    async skip(length) {
      const early = Math.min(length, Math.max(0, rest.length - at));
      await pull.skip(length - early);
      at += length;
    },
  };
}

async function* entriesOf(pull: Pull, limits: Limits): AsyncGenerator<Entry> {
  const { text, rest } = await readListing(pull);
  const data = after(rest, pull);
  for (const { path, size, offset } of filesIn(text, limits)) {
    // A line that a link's target or a damaged image forged, or none that is understood.
    if (offset < data.position()) throw new ImageError("squashfs: its listing makes no sense");
    await data.skip(offset - data.position());
    yield { path, kind: "file", size, body: data, offset };
    await data.skip(offset + size - data.position());
  }
  if ((await data.take(1)).length > 0) {
    throw new ImageError("squashfs: there is more in it than its listing says");
  }
}

export async function* findInSquashfs(
  name: string,
  { path, start }: FilePart,
  extraction: Extraction,
): AsyncGenerator<Found> {
  requireTool(UNSQUASHFS);
  const pull = pullStream(streamTool(SHELL, ["-c", SCRIPT, "sh", String(start), resolve(path)]));
  try {
    yield* extractAll(name, entriesOf(pull, extraction.limits), extraction);
  } finally {
    await pull.close();
  }
}
