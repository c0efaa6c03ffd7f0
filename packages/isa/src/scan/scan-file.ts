/** A file of machine code of any kind: ELF, or an archive of object files. */
import { withBytes, type ByteSource } from "../elf/bytes.ts";
import { ElfError } from "../elf/errors.ts";
import { isElf } from "../elf/header.ts";
import { isArchive, membersOf } from "../elf/archive.ts";
import { MAGIC_SIZE } from "../elf/machine-code.ts";
import type { ScanResult } from "./result.ts";
import { scanElf, type ScanOptions } from "./scan-elf.ts";

function scanArchive(name: string, source: ByteSource, options: ScanOptions): ScanResult[] {
  const results: ScanResult[] = [];
  try {
    for (const member of membersOf(source)) {
      results.push(scanElf(`${name}(${member.name})`, member.source, options));
    }
  } catch (error) {
    if (!(error instanceof ElfError)) throw error;
    results.push({ status: "unread", unread: { name, reason: error.message } });
  }
  return results;
}

export function scanSource(
  name: string,
  source: ByteSource,
  options: ScanOptions = {},
): ScanResult[] {
  const start = source.read(0, Math.min(MAGIC_SIZE, source.size), "the file's first bytes");
  if (isArchive(start)) return scanArchive(name, source, options);
  return isElf(start) ? [scanElf(name, source, options)] : [{ status: "ignored" }];
}

/** Scans a file, which the user knows by `name`. */
export function scanFile(name: string, path: string, options: ScanOptions = {}): ScanResult[] {
  try {
    return withBytes(path, (source) => scanSource(name, source, options));
  } catch (error) {
    if (!(error instanceof Error && "syscall" in error)) throw error;
    return [{ status: "unread", unread: { name, reason: error.message } }];
  }
}
