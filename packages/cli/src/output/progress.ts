/** One line on standard error that says how far a long work is; nothing where nobody looks. */
import type { Progress } from "@evenkeel/isa";

export interface ProgressLine {
  readonly show: (progress: Progress) => void;
  readonly clear: () => void;
}

/** Short work shows nothing; long work is drawn a few times per second. */
const WAIT_MS = 500;
const REDRAW_MS = 100;
const CELLS = 20;
const MIB = 1024 * 1024;

function bar(done: number, found: number): string {
  const full = found === 0 ? 0 : Math.floor((done / found) * CELLS);
  return "█".repeat(full) + "░".repeat(CELLS - full);
}

function line({ done, found, bytes, name }: Progress, width: number): string {
  const head = `${bar(done, found)} ${done}/${found} files, ${Math.round(bytes / MIB)} MiB of code  `;
  const room = Math.max(0, width - head.length - 1);
  const shown = name.length > room ? `…${name.slice(name.length - room + 1)}` : name;
  return head + (room > 1 ? shown : "");
}

export function progressLine(stream: NodeJS.WriteStream = process.stderr): ProgressLine {
  const nothing = () => {};
  if (!stream.isTTY) return { show: nothing, clear: nothing };
  const begun = Date.now();
  let drawn = 0;
  return {
    show(progress) {
      const now = Date.now();
      if (now - begun < WAIT_MS || now - drawn < REDRAW_MS) return;
      drawn = now;
      stream.write(`\r\u001b[K${line(progress, stream.columns)}`);
    },
    clear() {
      if (drawn > 0) stream.write("\r\u001b[K");
    },
  };
}
