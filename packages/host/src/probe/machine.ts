/** What a profile's validity depends on while a machine runs: its kernel and its microcode. */
import { closeSync, openSync, readSync } from "node:fs";
import { join } from "node:path";

/** Enough for the first CPU's lines of /proc/cpuinfo; all of it takes long where there are many. */
const READ = 8192;

function beginning(root: string, path: string): string {
  try {
    const fd = openSync(join(root, path), "r");
    try {
      const buffer = Buffer.alloc(READ);
      return buffer.toString("utf8", 0, readSync(fd, buffer, 0, READ, null));
    } finally {
      closeSync(fd);
    }
  } catch {
    return "";
  }
}

/** `kernel 6.1.0, microcode 0x1`, for display and for comparison. `root`: where /proc is. */
export function machineNow(root = "/"): string {
  const kernel = beginning(root, "proc/sys/kernel/osrelease").trim() || "?";
  const microcode = /^microcode\s*: (\S{1,64})$/m.exec(beginning(root, "proc/cpuinfo"))?.[1] ?? "?";
  return `kernel ${kernel}, microcode ${microcode}`;
}
