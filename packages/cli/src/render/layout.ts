/** Plain text layout: borderless tables, wrapped lists, headings. */
import pc from "picocolors";

/** Columns to fill: the terminal's, within reason, or 80 where there is none. */
export function terminalWidth(): number {
  return Math.min(Math.max(process.stdout.columns ?? 80, 60), 120);
}

// oxlint-disable-next-line no-control-regex -- escape sequences take no room on the screen
const ESCAPES = /\u001b\[[0-9;]*m/g;

function visibleLength(text: string): number {
  return text.replace(ESCAPES, "").length;
}

function pad(text: string, width: number): string {
  return text + " ".repeat(Math.max(0, width - visibleLength(text)));
}

export function heading(text: string): string {
  return pc.bold(text);
}

function dim(text: string): string {
  return pc.dim(text);
}

/** A share as a bar that needs no color: `█████▌····`; an eighth of a column is its smallest step. */
export function bar(value: number, total: number, width: number): string {
  const eighths = total <= 0 ? 0 : Math.round((Math.min(value, total) / total) * width * 8);
  const rest = eighths % 8 === 0 ? "" : (" ▏▎▍▌▋▊▉"[eighths % 8] ?? "");
  const full = "█".repeat(Math.floor(eighths / 8)) + rest;
  return full + pc.dim("·".repeat(width - Array.from(full).length));
}

/** A table without borders: two spaces between columns, a head in capitals. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const widths = head.map((title, i) =>
    Math.max(title.length, ...rows.map((row) => visibleLength(row[i] ?? ""))),
  );
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, i) => pad(cell, widths[i] ?? 0))
      .join("  ")
      .trimEnd();
  return [dim(line(head)), ...rows.map(line)];
}

/** Words wrapped to the width, each line after the first indented like the first. */
function wrap(words: readonly string[], indent: number, width = terminalWidth()): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of words) {
    if (line !== "" && indent + visibleLength(line) + 1 + visibleLength(word) > width) {
      lines.push(line);
      line = "";
    }
    line = line === "" ? word : `${line} ${word}`;
  }
  if (line !== "") lines.push(line);
  return lines.map((text) => " ".repeat(indent) + text);
}

/** A label and wrapped words beside it. */
export function labelled(label: string, words: readonly string[], indent: number, column: number) {
  const [first = "", ...rest] = wrap(words, column);
  return [pad(" ".repeat(indent) + label, column) + first.trimStart(), ...rest];
}

/** A sentence as wrapped lines. */
export function paragraph(text: string, indent: number): string[] {
  return wrap(text.split(" "), indent);
}

/** `1 node`, `2 classes`. */
export function plural(count: number, noun: string): string {
  if (count === 1) return `1 ${noun}`;
  return `${count} ${noun}${/[sx]$/.test(noun) ? "es" : "s"}`;
}
