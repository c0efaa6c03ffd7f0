/**
 * An initramfs: files packed as a cpio archive in the "newc" format, compressed with gzip.
 * Source: Linux Documentation/driver-api/early-userspace/buffer-format.rst.
 */
import { gzipSync } from "node:zlib";

export type ArchiveEntry =
  | { readonly kind: "file"; readonly path: string; readonly mode: number; readonly data: Buffer }
  | { readonly kind: "directory"; readonly path: string; readonly mode: number }
  | { readonly kind: "symlink"; readonly path: string; readonly target: string }
  | {
      readonly kind: "character-device";
      readonly path: string;
      readonly mode: number;
      readonly major: number;
      readonly minor: number;
    };

const MAGIC = "070701";
const TRAILER = "TRAILER!!!";

/** File types as in `st_mode`. Source: inode(7). */
const TYPE_BITS = {
  file: 0o100000,
  directory: 0o040000,
  symlink: 0o120000,
  "character-device": 0o020000,
} as const;

function padded(parts: readonly Buffer[]): Buffer {
  const joined = Buffer.concat(parts);
  return Buffer.concat([joined, Buffer.alloc((4 - (joined.length % 4)) % 4)]);
}

interface Header {
  readonly inode: number;
  readonly mode: number;
  readonly links: number;
  readonly size: number;
  readonly major: number;
  readonly minor: number;
  readonly name: string;
}

/** A header and its name: thirteen numbers of eight hexadecimal digits behind the magic. */
function header({ inode, mode, links, size, major, minor, name }: Header): Buffer {
  const nameBytes = Buffer.from(`${name}\0`);
  // inode, mode, uid, gid, links, mtime, size, device of the file (2), device it is (2), name, sum
  const fields = [inode, mode, 0, 0, links, 0, size, 0, 0, major, minor, nameBytes.length, 0];
  const digits = fields.map((field) => field.toString(16).padStart(8, "0")).join("");
  return padded([Buffer.from(MAGIC + digits, "latin1"), nameBytes]);
}

function contentOf(entry: ArchiveEntry): Buffer {
  if (entry.kind === "file") return entry.data;
  return entry.kind === "symlink" ? Buffer.from(entry.target) : Buffer.alloc(0);
}

function member(entry: ArchiveEntry, inode: number): Buffer {
  const content = contentOf(entry);
  const permissions = entry.kind === "symlink" ? 0o777 : entry.mode;
  const device = entry.kind === "character-device" ? entry : { major: 0, minor: 0 };
  const head = header({
    inode,
    mode: TYPE_BITS[entry.kind] | permissions,
    links: entry.kind === "directory" ? 2 : 1,
    size: content.length,
    major: device.major,
    minor: device.minor,
    name: entry.path,
  });
  return Buffer.concat([head, padded([content])]);
}

/**
 * The uncompressed archive, which a kernel accepts as well. Paths are relative; a directory comes
 * before its contents.
 */
export function cpioArchive(entries: readonly ArchiveEntry[]): Buffer {
  const end = { inode: 0, mode: 0, links: 1, size: 0, major: 0, minor: 0, name: TRAILER };
  return Buffer.concat([...entries.map((entry, i) => member(entry, i + 1)), header(end)]);
}

/** The archive as a kernel loads it with `initrd`. Equal entries give equal bytes. */
export function initramfs(entries: readonly ArchiveEntry[]): Buffer {
  return gzipSync(cpioArchive(entries), { level: 9 });
}

/** What turns a static program into a complete guest: the program as /init, and a console. */
export function programEntries(init: Buffer): ArchiveEntry[] {
  return [
    { kind: "directory", path: "dev", mode: 0o755 },
    { kind: "directory", path: "proc", mode: 0o755 },
    { kind: "directory", path: "sys", mode: 0o755 },
    { kind: "directory", path: "tmp", mode: 0o777 },
    { kind: "character-device", path: "dev/console", mode: 0o600, major: 5, minor: 1 },
    { kind: "file", path: "init", mode: 0o755, data: init },
  ];
}
