/**
 * Static archives: object files one after another.
 * Source: ar(5), System V variant with GNU's table of long names.
 */
import { windowOf, type ByteSource } from "./bytes.ts";

const MAGIC = Buffer.from("!<arch>\n", "latin1");
const HEADER_SIZE = 60;

export function isArchive(start: Uint8Array): boolean {
  return MAGIC.equals(start.subarray(0, MAGIC.length));
}

export interface ArchiveMember {
  readonly name: string;
  readonly source: ByteSource;
}

function memberName(raw: string, longNames: string): string {
  const long = /^\/(\d+)$/.exec(raw)?.[1];
  if (long === undefined) return raw.replace(/\/$/, "");
  const from = longNames.slice(Number(long));
  return /^[^\n/]*/.exec(from)?.[0] ?? raw;
}

/** Throws `BAD_ELF` where a header is damaged; members before it were given. */
export function* membersOf(source: ByteSource): Generator<ArchiveMember> {
  let longNames = "";
  for (let at = MAGIC.length; at + HEADER_SIZE <= source.size;) {
    const where = `archive member at ${at}`;
    const header = source.read(at, HEADER_SIZE, where).toString("latin1");
    const size = /^\d+ *$/.test(header.slice(48, 58)) ? Number(header.slice(48, 58)) : Number.NaN;
    const start = at + HEADER_SIZE;
    if (!header.endsWith("`\n") || !(start + size <= source.size)) {
      // Reading past the end is the error that says what is wrong.
      source.read(start, Number.isNaN(size) ? source.size : size, where);
      return;
    }
    const raw = header.slice(0, 16).trimEnd();
    if (raw === "//") longNames = source.read(start, size, where).toString("latin1");
    else if (raw !== "/" && raw !== "/SYM64/") {
      yield { name: memberName(raw, longNames), source: windowOf(source, start, size) };
    }
    at = start + size + (size % 2);
  }
}
