/**
 * Tar archives, read strictly and without trust: nothing is extracted by name, links are not
 * followed, and offsets are kept so that layers can be read in place. Libraries for tar give
 * streams without offsets. Source: POSIX pax, and GNU tar's manual, "Tar Internals".
 */
import { normalPath, type Entry } from "../entry.ts";
import { ImageError, type Limits } from "../limits.ts";
import { isTarHeader } from "../magic.ts";
import { takeAll, type Pull } from "../pull.ts";

const BLOCK = 512;
/** A path longer than this is no path: PATH_MAX is 4,096. */
const LONGEST_NAME = 64 * 1024;

function text(block: Buffer, start: number, length: number): string {
  const field = block.subarray(start, start + length);
  const end = field.indexOf(0);
  return field.toString("utf8", 0, end === -1 ? length : end);
}

/** Octal digits, or GNU's binary numbers where the first bit is set. */
function number(block: Buffer, start: number, length: number): number {
  const first = block[start] ?? 0;
  if (first === 0x80) return Number(block.readBigUInt64BE(start + length - 8));
  const digits = text(block, start, length).trim();
  return /^[0-7]*$/.test(digits) ? Number.parseInt(digits || "0", 8) : Number.NaN;
}

/** `12 path=usr/bin\n` records. */
function parsePax(bytes: Buffer): Map<string, string> {
  const records = new Map<string, string>();
  for (let at = 0; at < bytes.length;) {
    const space = bytes.indexOf(0x20, at);
    const length = Number(bytes.toString("latin1", at, space));
    if (space === -1 || !(length > 0) || at + length > bytes.length) break;
    const record = bytes.toString("utf8", space + 1, at + length - 1);
    const equals = record.indexOf("=");
    if (equals > 0) records.set(record.slice(0, equals), record.slice(equals + 1));
    at += length;
  }
  return records;
}

interface Extensions {
  name?: string;
  link?: string;
  pax: Map<string, string>;
}

const FILES = new Set(["0", "\0", "7"]);

function entryOf(block: Buffer, { name, link, pax }: Extensions, pull: Pull): Entry {
  const prefix = text(block, 257, 5) === "ustar" ? text(block, 345, 155) : "";
  const short = text(block, 0, 100);
  const path = pax.get("path") ?? name ?? (prefix === "" ? short : `${prefix}/${short}`);
  const type = String.fromCharCode(block[156] ?? 0);
  const stored = pax.get("size");
  const size = stored === undefined ? number(block, 124, 12) : Number(stored);
  const sparse = type === "S" || [...pax.keys()].some((key) => key.startsWith("GNU.sparse."));
  const isFile = FILES.has(type) && !path.endsWith("/");
  const target = pax.get("linkpath") ?? link ?? text(block, 157, 100);
  return {
    path: normalPath(path),
    ...(type === "1" || type === "2" ? { link: { target, symbolic: type === "2" } } : {}),
    kind: isFile || type === "S" ? "file" : type === "5" ? "directory" : "other",
    // Links and devices have a size in some archives, and never a body.
    size: isFile || type === "S" || !"123456".includes(type) ? size : 0,
    ...(sparse ? { unreadable: "stored as a sparse file" } : {}),
    body: pull,
    offset: pull.position(),
  };
}

function padded(size: number): number {
  return Math.ceil(size / BLOCK) * BLOCK;
}

async function nextHeader(pull: Pull): Promise<Buffer | undefined> {
  const at = pull.position();
  const block = await pull.take(BLOCK);
  if (block.length === 0) throw new ImageError("tar: ends without its end mark: cut short?");
  if (block.every((byte) => byte === 0)) return undefined;
  if (block.length < BLOCK) throw new ImageError(`tar: cut short in the header at ${at}`);
  if (!isTarHeader(block)) throw new ImageError(`tar: no header at ${at}: its checksum is wrong`);
  return block;
}

/**
 * The entries of a tar archive that comes out of something else: only at the end of that is it
 * known whether all of it came out. Throws {@link ImageError} where it is damaged.
 */
export async function* wholeTar(pull: Pull, limits: Limits): AsyncGenerator<Entry> {
  yield* tarEntries(pull, limits);
  while ((await pull.take(64 * 1024)).length > 0);
}

/** The entries of a tar archive in order. Throws {@link ImageError} where it is damaged. */
export async function* tarEntries(pull: Pull, limits: Limits): AsyncGenerator<Entry> {
  let extensions: Extensions = { pax: new Map() };
  for (let count = 0; ; count++) {
    if (count > limits.entries) throw new ImageError(`more than ${limits.entries} entries`);
    const header = await nextHeader(pull);
    if (header === undefined) return;
    const type = String.fromCharCode(header[156] ?? 0);
    const size = number(header, 124, 12);
    if (type === "L" || type === "K" || type === "x" || type === "g") {
      if (!(size <= LONGEST_NAME * 16)) throw new ImageError(`tar: a name of ${size} bytes`);
      const bytes = await takeAll(pull, size, "tar");
      await pull.skip(padded(size) - size);
      if (type === "L") extensions.name = text(bytes, 0, bytes.length);
      if (type === "K") extensions.link = text(bytes, 0, bytes.length);
      if (type === "x") extensions.pax = parsePax(bytes);
      continue;
    }
    const entry = entryOf(header, extensions, pull);
    extensions = { pax: new Map() };
    if (!Number.isSafeInteger(entry.size) || entry.size < 0) {
      throw new ImageError(`tar: the size of the entry at ${entry.offset - BLOCK} is no number`);
    }
    yield entry;
    const end = entry.offset + padded(entry.size);
    // The padding after the last file is missing in some archives.
    const missing = entry.offset + entry.size - pull.position();
    if (missing > 0) await pull.skip(missing);
    await pull.take(end - pull.position());
  }
}
