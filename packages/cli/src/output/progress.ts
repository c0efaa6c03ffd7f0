/** One progress line on standard error for long work; nothing if it is not a terminal. */
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

/** Draws at most a few times per second, and nothing if it is not a terminal. */
function drawer(stream: NodeJS.WriteStream) {
  const begun = Date.now();
  let drawn = 0;
  return {
    draw: (text: (width: number) => string) => {
      const now = Date.now();
      if (!stream.isTTY || now - begun < WAIT_MS || now - drawn < REDRAW_MS) return;
      drawn = now;
      stream.write(`\r\u001b[K${text(stream.columns)}`);
    },
    clear: () => {
      if (drawn > 0) stream.write("\r\u001b[K");
    },
  };
}

export function progressLine(stream: NodeJS.WriteStream = process.stderr): ProgressLine {
  const { draw, clear } = drawer(stream);
  return { show: (progress) => draw((width) => line(progress, width)), clear };
}

export interface CountLine {
  readonly show: (done: number) => void;
  readonly clear: () => void;
}

/** For countable work: `reading profiles 1200/10000`. */
export function countLine(
  what: string,
  all: number,
  stream: NodeJS.WriteStream = process.stderr,
): CountLine {
  const { draw, clear } = drawer(stream);
  return { show: (done) => draw(() => `${bar(done, all)} ${what} ${done}/${all}`), clear };
}
