/** `evenkeel fleet get`: lists in the formats that kubectl has, once or as they change. */
import { prettyJson } from "@evenkeel/core";
import { CliError } from "../errors.ts";
import { contextOf } from "../fleet/contexts.ts";
import { followEvents } from "../fleet/events.ts";
import type { ListKind } from "../fleet/lists.ts";
import { printable, printableIn } from "../printable.ts";
import { listText, nameOf, rowsOf } from "../render/fleet.ts";
import type { FleetFlags } from "./fleet.ts";

const FORMATS = ["table", "json", "yaml", "wide", "name"] as const;
type Format = (typeof FORMATS)[number];

interface List {
  readonly kind: ListKind;
  readonly only: string | undefined;
  readonly ask: () => Promise<unknown>;
}

function formatOf({ output, json = false }: FleetFlags): Format {
  if (output === undefined) return json ? "json" : "table";
  const found = FORMATS.find((format) => format === output && format !== "table");
  if (found !== undefined) return found;
  throw new CliError("USAGE", `--output must be json, yaml, wide or name, but is "${output}"`);
}

type Rows = ReturnType<typeof rowsOf>;

/** Nodes wrote much of this: control sequences are made harmless. */
async function textOf(kind: ListKind, rows: Rows, format: Format, isFirst = true): Promise<string> {
  if (format === "yaml") {
    const { stringify } = await import("yaml");
    return `${isFirst ? "" : "---\n"}${printable(stringify(rows))}`;
  }
  if (format === "json") return printable(rows.map((row) => prettyJson(row)).join(""));
  const shown = printableIn(rows);
  if (format === "name") return shown.map((row) => `${nameOf(kind, row)}\n`).join("");
  return listText(kind, shown, { wide: format === "wide", head: isFirst });
}

/** Prints all rows at once, then new or changed rows until it is stopped. */
async function watch(
  { kind, only, ask }: List,
  flags: FleetFlags,
  format: Format,
): Promise<number> {
  let known = new Map<string, string>();
  let isFirst = true;
  const show = async () => {
    const rows = rowsOf(kind, await ask(), only);
    const now = new Map(rows.map((row) => [nameOf(kind, row), JSON.stringify(row)]));
    const news = rows.filter((row) => known.get(nameOf(kind, row)) !== JSON.stringify(row));
    known = now;
    if (news.length > 0 || isFirst) process.stdout.write(await textOf(kind, news, format, isFirst));
    isFirst = false;
  };
  await show();
  await followEvents(contextOf(process.env, flags.context), show);
  return 0;
}

export async function runList(list: List, flags: FleetFlags): Promise<number> {
  const format = formatOf(flags);
  if (flags.watch === true) return await watch(list, flags, format);
  const answer = await list.ask();
  const { kind, only } = list;
  if (format === "json") process.stdout.write(printable(prettyJson(answer)));
  else process.stdout.write(await textOf(kind, rowsOf(kind, answer, only), format));
  return 0;
}
