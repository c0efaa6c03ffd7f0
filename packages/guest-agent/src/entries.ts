/** What there is at a path, as filesystem.EntryInfo in JSON. */
import type { Stats } from "node:fs";
import { lstat, readFile, readlink, stat } from "node:fs/promises";
import { basename } from "node:path";

export interface Entry {
  readonly name: string;
  readonly type: "FILE_TYPE_FILE" | "FILE_TYPE_DIRECTORY" | "FILE_TYPE_SYMLINK";
  readonly path: string;
  /** An int64 is a text in JSON. */
  readonly size: string;
  readonly mode: number;
  readonly permissions: string;
  readonly owner: string;
  readonly group: string;
  readonly modifiedTime: string;
  readonly symlinkTarget?: string;
}

const LETTERS = "rwxrwxrwx";

function permissionsOf(stats: Stats): string {
  const kind = stats.isDirectory() ? "d" : stats.isSymbolicLink() ? "L" : "-";
  const bits = Array.from(LETTERS, (letter, i) => ((stats.mode >> (8 - i)) & 1 ? letter : "-"));
  return kind + bits.join("");
}

/** Names by number, of /etc/passwd or /etc/group. */
async function namesIn(file: string): Promise<Map<number, string>> {
  const text = await readFile(file, "utf8").catch(() => "");
  const rows = text.split("\n").map((line) => line.split(":"));
  return new Map(rows.map(([name = "", , id = ""]) => [Number(id), name]));
}

/** A symlink has the type of what it leads to, and says where that is. Throws what lstat does. */
export async function entryAt(path: string): Promise<Entry> {
  const own = await lstat(path);
  const target = own.isSymbolicLink() ? await readlink(path) : undefined;
  const seen = target === undefined ? own : await stat(path).catch(() => own);
  const type = seen.isDirectory()
    ? "FILE_TYPE_DIRECTORY"
    : seen.isSymbolicLink()
      ? "FILE_TYPE_SYMLINK"
      : "FILE_TYPE_FILE";
  const [owners, groups] = [await namesIn("/etc/passwd"), await namesIn("/etc/group")];
  return {
    name: basename(path),
    type,
    path,
    size: String(own.size),
    mode: own.mode & 0o777,
    permissions: permissionsOf(own),
    owner: owners.get(own.uid) ?? String(own.uid),
    group: groups.get(own.gid) ?? String(own.gid),
    modifiedTime: own.mtime.toISOString(),
    ...(target === undefined ? {} : { symlinkTarget: target }),
  };
}
