/** The verdict index as a heat map: contracts down, classes of nodes across. */
import { groupBy, type Verdict } from "@evenkeel/core";
import { inArray } from "drizzle-orm";
import type { MatrixView } from "@evenkeel/web";
import { contracts, findings, heldSnapshots, verdicts } from "../store/schema.ts";
import type { Queryable } from "../store/store.ts";
import { listClasses } from "../nodes/view.ts";

/** Rows that are drawn: the picture stays legible, and the page small. */
const MOST_ROWS = 60;

interface Column {
  readonly class: string;
  readonly label: string;
  readonly variant: string;
  readonly nodes: readonly string[];
}

async function columnsOf(tx: Queryable): Promise<Column[]> {
  const { classes } = await listClasses(tx);
  return classes.flatMap(({ class: name, variants }) =>
    variants.map(({ variant, kernel, nodes }) => ({
      class: name,
      label: variants.length === 1 ? name : `${name}@${kernel ?? "?"} ${variant.slice(0, 6)}`,
      variant,
      nodes,
    })),
  );
}

interface Cell {
  readonly verdict: Verdict;
  readonly findings: string;
}

interface Row {
  readonly label: string;
  readonly cells: readonly (Cell | undefined)[];
  readonly snapshots: readonly string[];
}

/** Contracts of one class that have the same verdicts and findings on all nodes are one row. */
async function rowsOf(tx: Queryable, columns: readonly Column[]): Promise<Row[]> {
  const known = await tx
    .select({
      digest: contracts.digest,
      class: contracts.class,
      plan: contracts.plan,
      node: contracts.node,
    })
    .from(contracts)
    .orderBy(contracts.class, contracts.created);
  const judged = await tx
    .select({
      contract: verdicts.contract,
      variant: verdicts.variant,
      verdict: verdicts.verdict,
      findings: verdicts.findings,
    })
    .from(verdicts);
  const held = await tx
    .select({ contract: heldSnapshots.contract, name: heldSnapshots.name })
    .from(heldSnapshots);
  const classes = new Map(columns.flatMap((column) => column.nodes.map((n) => [n, column.class])));
  const names = groupBy(held, ({ contract }) => contract);
  const byContract = groupBy(judged, ({ contract }) => contract);
  const groups = new Map<string, Row & { readonly snapshots: string[] }>();
  for (const { digest, class: planned, plan, node } of known) {
    // Only a contract of a planned guest names its class; of others, the node may still be there.
    const name = planned ?? classes.get(node) ?? `taken on ${node}`;
    const own = new Map((byContract.get(digest) ?? []).map((row) => [row.variant, row]));
    const cells = columns.map(({ variant }) => own.get(variant));
    const verdictsText = cells.map((cell) => `${cell?.verdict} ${cell?.findings}`);
    const key = JSON.stringify([name, plan, verdictsText]);
    const label = `${name}, ${plan === null ? "no plan" : "planned"} (${digest.slice(0, 8)})`;
    const group = groups.get(key) ?? { label, cells, snapshots: [] };
    groups.set(key, group);
    group.snapshots.push(...(names.get(digest) ?? []).map((one) => one.name));
  }
  return [...groups.values()];
}

async function findingsOf(tx: Queryable, digests: readonly string[]) {
  if (digests.length === 0) return new Map<string, never>();
  const rows = await tx
    .select()
    .from(findings)
    .where(inArray(findings.digest, [...digests]));
  return new Map(rows.map(({ digest, findings: found }) => [digest, found]));
}

export async function compatibilityOf(
  tx: Queryable,
): Promise<{ readonly view: MatrixView; readonly hidden: number }> {
  const columns = await columnsOf(tx);
  const all = await rowsOf(tx, columns);
  const rows = all.slice(0, MOST_ROWS);
  const digests = new Set(
    rows.flatMap(({ cells }) => cells.flatMap((cell) => cell?.findings ?? [])),
  );
  const texts = await findingsOf(tx, [...digests]);
  const moves = rows.flatMap(({ label, cells }) =>
    cells.flatMap((cell, i) => {
      const to = columns[i]?.label;
      if (cell === undefined || to === undefined) return [];
      return [{ from: label, to, verdict: cell.verdict, findings: texts.get(cell.findings) ?? [] }];
    }),
  );
  const from = rows.map(({ label, snapshots }) => ({ label, nodes: snapshots }));
  return { view: { classes: columns, from, moves }, hidden: all.length - rows.length };
}
