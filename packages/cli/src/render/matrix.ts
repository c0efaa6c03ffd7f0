/** All pairs as a grid: from, down; to, across; then what each rule says, once. */
import type { MatrixEntry, MatrixPair, Verdict } from "@evenkeel/core";
import pc from "picocolors";
import { bar, heading, paragraph, plural, table, terminalWidth } from "./layout.ts";
import { fewOf } from "./plan-parts.ts";

const CELLS: Readonly<Record<Verdict, string>> = {
  compatible: pc.green("yes"),
  insecure: pc.yellow("insecure"),
  incompatible: pc.red("NO"),
  unknown: pc.yellow("?"),
};

/** For grids that are too wide for words. */
const SIGNS: Readonly<Record<Verdict, string>> = {
  compatible: pc.green("·"),
  insecure: pc.yellow("i"),
  incompatible: pc.red("X"),
  unknown: pc.yellow("?"),
};
const LEGEND = "· compatible, i insecure, X incompatible, ? unknown";

/** Identical rows and columns, drawn once. */
interface Row {
  readonly entries: readonly MatrixEntry[];
  readonly nodes: number;
  /** The verdict of the first of them to each entry. */
  readonly verdicts: ReadonlyMap<string, Verdict>;
}

function rowsOf(entries: readonly MatrixEntry[], pairs: readonly MatrixPair[]): Row[] {
  const to = new Map<string, Map<string, Verdict>>();
  const from = new Map<string, string[]>();
  for (const pair of pairs) {
    const row = to.get(pair.from) ?? new Map<string, Verdict>();
    to.set(pair.from, row.set(pair.to, pair.verdict));
    const column = from.get(pair.to) ?? [];
    from.set(pair.to, column);
    column.push(pair.verdict);
  }
  const alike = new Map<string, MatrixEntry[]>();
  for (const entry of entries) {
    const verdicts = [...(to.get(entry.label)?.values() ?? [])];
    const key = [...verdicts, "|", ...(from.get(entry.label) ?? [])].join(" ");
    alike.set(key, [...(alike.get(key) ?? []), entry]);
  }
  return [...alike.values()].map((members) => ({
    entries: members,
    nodes: members.reduce((sum, { nodes }) => sum + nodes.length, 0),
    verdicts: to.get(members[0]?.label ?? "") ?? new Map(),
  }));
}

/** Columns that each verdict takes, when it is a word. */
const WORD = 10;
const SIGN = 4;
const BESIDE = 12;

function labelOf({ entries }: Row, room: number): string {
  return fewOf(
    entries.map(({ label }) => label),
    room,
  );
}

function grid(rows: readonly Row[]): string[] {
  const labelRoom = Math.max(24, Math.floor(terminalWidth() / 3));
  const labels = rows.map((row) => labelOf(row, labelRoom));
  const used = Math.max(...labels.map(({ length }) => length)) + BESIDE;
  const fits = (width: number) => used + rows.length * width <= terminalWidth();
  if (!fits(SIGN)) return counts(rows, labels);
  const cells = fits(WORD) ? CELLS : SIGNS;
  const head = ["", "FROM \\ TO", "NODES", ...rows.map((_, i) => String(i + 1))];
  const lines = rows.map((row, i) => [
    String(i + 1),
    labels[i] ?? "",
    String(row.nodes),
    ...rows.map((column) => {
      const verdict = row.verdicts.get(column.entries[0]?.label ?? "");
      return verdict === undefined ? "" : cells[verdict];
    }),
  ]);
  return [...table(head, lines), ...(cells === SIGNS ? ["", LEGEND] : [])];
}

/** Rows that fit on a screen together with the reasons. */
const ROWS = 24;

const BAR = 16;

/** If no screen is wide enough: how many nodes each row's snapshots reach. */
function counts(rows: readonly Row[], labels: readonly string[]): string[] {
  const nodes = rows.reduce((sum, row) => sum + row.nodes, 0);
  const reached = ({ verdicts }: Row) =>
    rows
      .filter(({ entries }) => verdicts.get(entries[0]?.label ?? "") === "compatible")
      .reduce((sum, row) => sum + row.nodes, 0);
  const lines = rows.map((row, i) => [
    labels[i] ?? "",
    String(row.nodes),
    bar(reached(row), nodes, BAR),
    `${reached(row)} of ${nodes} nodes`,
  ]);
  const more = lines.length - ROWS;
  return [
    ...table(["FROM", "NODES", "RESUMES ON", ""], lines.slice(0, ROWS)),
    ...(more > 0 ? [`and ${more} more (--json has all)`] : []),
  ];
}

/** What one rule says, over all pairs. */
interface Ruled {
  readonly severity: string;
  readonly rule: string;
  readonly names: Set<string>;
  readonly consequence: string;
  readonly pairs: Set<string>;
}

const WORST_FIRST: readonly string[] = ["incompatible", "insecure", "unknown"];

function byRule(pairs: readonly MatrixPair[], drawn: ReadonlyMap<string, string>): Ruled[] {
  const found = new Map<string, Ruled>();
  for (const { from, to, findings } of pairs) {
    for (const { rule, severity, name, consequence } of findings) {
      if (severity === "note") continue;
      const key = `${severity} ${rule}`;
      const names = new Set<string>();
      const ruled = found.get(key) ?? { severity, rule, names, consequence, pairs: new Set() };
      found.set(key, ruled);
      ruled.names.add(name);
      ruled.pairs.add(`${drawn.get(from) ?? from} → ${drawn.get(to) ?? to}`);
    }
  }
  return [...found.values()].toSorted(
    (a, b) => WORST_FIRST.indexOf(a.severity) - WORST_FIRST.indexOf(b.severity),
  );
}

/** Up to this many moves are named; of more, only one, as an example. */
const NAMED = 3;

function movesText({ pairs }: Ruled): string {
  const all = [...pairs];
  if (all.length <= NAMED) return `${all.join("; ")}.`;
  return `${all.length} such moves, for example ${all[0] ?? ""}.`;
}

function reasons(rows: readonly Row[], pairs: readonly MatrixPair[]): string[] {
  const drawn = new Map(
    rows.flatMap((row) => row.entries.map(({ label }) => [label, labelOf(row, 24)] as const)),
  );
  const ruled = byRule(
    pairs.filter(({ verdict }) => verdict !== "compatible"),
    drawn,
  );
  return [
    "",
    heading("Why not"),
    ...ruled.flatMap((one) => {
      const { severity, rule, names, consequence } = one;
      return [
        ...paragraph(`${severity}: ${rule}: ${fewOf([...names], NAMES_ROOM)}`, 2),
        ...paragraph(consequence, 6),
        ...paragraph(movesText(one), 6),
      ];
    }),
  ];
}

const NAMES_ROOM = 60;

export function matrixReport(
  entries: readonly MatrixEntry[],
  pairs: readonly MatrixPair[],
): string {
  const rows = rowsOf(entries, pairs);
  const good = pairs.filter(({ verdict }) => verdict === "compatible").length;
  const nodes = entries.reduce((sum, entry) => sum + entry.nodes.length, 0);
  return [
    heading(`${good} of ${pairs.length} ordered pairs are compatible`),
    ...paragraph(
      `${plural(nodes, "node")} in ${plural(entries.length, "class")} as verdicts see them.`,
      0,
    ),
    "",
    ...grid(rows),
    ...(good < pairs.length ? reasons(rows, pairs) : []),
    "",
  ].join("\n");
}
