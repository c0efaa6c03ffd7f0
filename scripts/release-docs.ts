/**
 * The tables of releases in docs/firecracker.md: `npm run docs` writes them, a test keeps them equal.
 */
import { BEHAVIOURS, RELEASES } from "../packages/core/src/tables/release-rows.ts";
import { KERNEL_BEHAVIOURS, KERNELS } from "../packages/core/src/tables/kernel-rows.ts";

const [START, END] = ["<!-- releases -->", "<!-- /releases -->"];

type Row = readonly string[];

function table(head: Row, rows: readonly Row[]): string {
  const all = [head, ...rows];
  const widths = head.map((_, i) => Math.max(...all.map((row) => row[i]?.length ?? 0)));
  const line = (row: Row, fill: string) =>
    `| ${widths.map((width, i) => (row[i] ?? "").padEnd(width, fill)).join(" | ")} |`;
  return [line(head, " "), line([], "-"), ...rows.map((row) => line(row, " "))].join("\n");
}

function said(names: readonly string[] = [], of: Readonly<Record<string, string>>, end = "") {
  return names.map((name) => `${end}${of[name] ?? name}`);
}

function formatsOf(formats: readonly (readonly [patch: number, format: string])[]): string {
  return formats
    .map(([patch, format]) => (patch === 0 ? format : `${format} since .${patch}`))
    .join(", ");
}

function releases(): string {
  const rows = RELEASES.map(({ line, date, formats, begins, ends }) => [
    line,
    date,
    formatsOf(formats),
    [...said(begins, BEHAVIOURS), ...said(ends, BEHAVIOURS, "no longer: ")].join("; "),
  ]);
  return table(["release", "date", "snapshot format", "new"], rows);
}

function kernels(): string {
  const rows = KERNELS.map(({ line, tested, catalogued, begins }) => [
    line,
    tested === true ? "yes" : "",
    catalogued === true ? "yes" : "",
    said(begins, KERNEL_BEHAVIOURS).join("; "),
  ]);
  return table(["host kernel", "tested by Firecracker", "in the catalogue", "new"], rows);
}

/** A page with the tables between its marks written anew. */
export function withReleases(page: string): string {
  const [start, end] = [page.indexOf(START), page.indexOf(END)];
  if (start === -1 || end === -1) throw new Error(`the page has no ${START} … ${END}`);
  const tables = `${START}\n\n${releases()}\n\n${kernels()}\n\n`;
  return page.slice(0, start) + tables + page.slice(end);
}
