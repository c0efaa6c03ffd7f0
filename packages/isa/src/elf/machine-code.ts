/** What tells files with machine code from all others. */
import { isArchive } from "./archive.ts";
import { isElf } from "./header.ts";

/** The first bytes that tell machine code from everything else. */
export const MAGIC_SIZE = 8;

export function isMachineCode(start: Uint8Array): boolean {
  return isElf(start) || isArchive(start);
}
