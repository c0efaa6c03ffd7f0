/** A matrix of moves between classes, laid out for a picture. */
import type { MatrixEntry, MatrixPair, Verdict } from "@evenkeel/core";
import type { FindingRow as Finding } from "../read/schemas.ts";

export interface MatrixClass {
  /** Unique in the matrix. */
  readonly label: string;
  readonly nodes: readonly string[];
  /** A model's name, where it is known. */
  readonly model?: string | undefined;
}

export interface Move {
  readonly from: string;
  readonly to: string;
  readonly verdict: Verdict;
  /** Undefined where only the verdict was kept, as in a certificate. */
  readonly findings: readonly Finding[] | undefined;
}

export interface MatrixView {
  readonly classes: readonly MatrixClass[];
  /** What snapshots come from, where that is not the same classes. */
  readonly from?: readonly MatrixClass[];
  readonly moves: readonly Move[];
}

export function matrixView(
  entries: readonly MatrixEntry[],
  pairs: readonly MatrixPair[],
  modelOf: (entry: MatrixEntry) => string | undefined,
): MatrixView {
  return {
    classes: entries.map((entry) => ({
      label: entry.label,
      nodes: entry.nodes,
      model: modelOf(entry),
    })),
    moves: pairs,
  };
}

export function rowsOf({ classes, from }: MatrixView): readonly MatrixClass[] {
  return from ?? classes;
}

/** By row and column; undefined: nobody judged that move, which is not a yes. */
export function grid(view: MatrixView): (Move | undefined)[][] {
  const rows = new Map<string, Map<string, Move>>();
  for (const move of view.moves) {
    const row = rows.get(move.from) ?? new Map<string, Move>();
    rows.set(move.from, row.set(move.to, move));
  }
  return rowsOf(view).map(({ label: from }) =>
    view.classes.map(({ label: to }) => rows.get(from)?.get(to)),
  );
}

export function countMoves(view: MatrixView): number {
  return rowsOf(view).length * view.classes.length;
}

/** Of moves that are in the grid, the class to itself included. */
export function countVerdicts(view: MatrixView): Record<Verdict, number> {
  const counts = { compatible: 0, unknown: 0, insecure: 0, incompatible: 0 };
  for (const move of grid(view).flat()) counts[move?.verdict ?? "unknown"]++;
  return counts;
}

export function nodesIn({ classes }: MatrixView): number {
  return classes.reduce((sum, { nodes }) => sum + nodes.length, 0);
}

export interface RuledFindings {
  readonly rule: string;
  readonly severity: Finding["severity"];
  readonly names: readonly string[];
  /** Of the first of them, and how many others there are. */
  readonly consequences: readonly string[];
}

const WORST_FIRST: readonly Finding["severity"][] = ["incompatible", "insecure", "unknown", "note"];

/** Those that end programs say most. */
export function deadlyFirst(consequences: Iterable<string>): string[] {
  return [...consequences].toSorted(
    (a, b) => Number(b.includes("SIGILL")) - Number(a.includes("SIGILL")),
  );
}

/** What each rule found, the worst first. */
export function byRule(findings: readonly Finding[]): RuledFindings[] {
  const rules = new Map<string, { first: Finding; names: Set<string>; texts: Set<string> }>();
  for (const finding of findings) {
    const key = `${finding.severity} ${finding.rule}`;
    const known = rules.get(key) ?? { first: finding, names: new Set(), texts: new Set() };
    rules.set(key, known);
    known.names.add(finding.name);
    known.texts.add(finding.consequence);
  }
  return [...rules.values()]
    .map(({ first, names, texts }) => ({
      rule: first.rule,
      severity: first.severity,
      names: [...names],
      consequences: deadlyFirst(texts),
    }))
    .toSorted((a, b) => WORST_FIRST.indexOf(a.severity) - WORST_FIRST.indexOf(b.severity));
}
