/** `GET /v1/compatibility`: the verdict index as a heat map, contracts down, classes across. */
import { groupBy } from "@evenkeel/core";
import { and, eq, inArray, sql } from "drizzle-orm";
import type { Compatibility } from "@evenkeel/api";
import type { Context } from "../context.ts";
import type { VerdictIndex } from "../placement/fleet.ts";
import { contracts, findings, heldSnapshots, nodes, profiles, verdicts } from "../store/schema.ts";
import type { Queryable } from "../store/store.ts";
import { jsonOf } from "./json.ts";

/** Rows that are drawn: the picture stays legible, and the page small. */
const MOST_ROWS = 60;
/** Snapshots that are named for a row. */
const MOST_NAMES = 20;

interface Sources {
  readonly db: Queryable;
  readonly index: VerdictIndex;
}

interface Column {
  readonly class: string;
  readonly label: string;
  readonly variant: string;
  readonly nodes: readonly string[];
}

async function columnsOf(tx: Queryable): Promise<Column[]> {
  const kinds = await tx
    .select({
      variant: nodes.variant,
      class: sql<string>`min(${profiles.class})`,
      kernel: sql<string | null>`min(${profiles.kernel})`,
      nodes: jsonOf<string[]>(
        sql`to_jsonb((array_agg(${nodes.name} order by ${nodes.name}))[1:${sql.raw(String(MOST_NAMES))}])`,
      ),
    })
    .from(nodes)
    .innerJoin(profiles, eq(profiles.digest, nodes.profile))
    .groupBy(nodes.variant)
    .orderBy(sql`min(${profiles.class})`, nodes.variant);
  const classes = groupBy(kinds, (kind) => kind.class);
  return kinds.map(({ variant, class: name, kernel, nodes: own }) => ({
    class: name,
    label:
      classes.get(name)?.length === 1 ? name : `${name}@${kernel ?? "?"} ${variant.slice(0, 6)}`,
    variant,
    nodes: own,
  }));
}

interface Row {
  readonly label: string;
  /** One that stands for all of them. */
  readonly digest: string;
  readonly digests: string[];
}

/**
 * By contract, a text that is equal where all verdicts and findings are. Verdicts stand in it as they
 * are; findings as a sum of hashes, which takes the store no sorting.
 */
async function signatures({ db, index }: Sources, columns: readonly Column[]) {
  const own = columns.map(({ variant }) => variant);
  const text = sql`${verdicts.variant} || ${verdicts.findings}`;
  const rows = await db
    .select({
      contract: verdicts.contract,
      sums: sql<string>`sum(hashtextextended(${text}, 0)) || ' ' || sum(hashtextextended(${text}, 1))`,
    })
    .from(verdicts)
    .where(inArray(verdicts.variant, own))
    .groupBy(verdicts.contract);
  return new Map(
    rows.map(({ contract, sums }) => {
      const found = own.map((variant) => index.verdict(contract, variant));
      return [contract, `${found.join(" ")} ${sums}`];
    }),
  );
}

/** The class of the node that a contract was taken on, as far as it is still there. */
async function classesByNode(tx: Queryable, columns: readonly Column[]) {
  const classes = new Map(columns.map((column) => [column.variant, column.class]));
  const rows = await tx.select({ name: nodes.name, variant: nodes.variant }).from(nodes);
  return new Map(rows.map(({ name, variant }) => [name, classes.get(variant)]));
}

/** Contracts of one class that have the same verdicts and findings on all nodes are one row. */
async function rowsOf(sources: Sources, columns: readonly Column[]): Promise<Row[]> {
  const { db } = sources;
  const known = await db
    .select({
      digest: contracts.digest,
      class: contracts.class,
      plan: contracts.plan,
      node: contracts.node,
    })
    .from(contracts)
    .orderBy(contracts.class, contracts.created, contracts.digest);
  const texts =
    columns.length === 0 ? new Map<string, string>() : await signatures(sources, columns);
  const classes = await classesByNode(db, columns);
  const groups = new Map<string, Row>();
  for (const { digest, class: planned, plan, node } of known) {
    // Only a contract of a planned guest names its class; of others, the node may still be there.
    const name = planned ?? classes.get(node) ?? `taken on ${node}`;
    const key = JSON.stringify([name, plan, texts.get(digest)]);
    const label = `${name}, ${plan === null ? "no plan" : "planned"} (${digest.slice(0, 8)})`;
    const group = groups.get(key) ?? { label, digest, digests: [] };
    groups.set(key, group);
    group.digests.push(digest);
  }
  return [...groups.values()];
}

async function namesOf(tx: Queryable, rows: readonly Row[]): Promise<Map<string, string[]>> {
  const asked = rows.flatMap(({ digests }) => digests.slice(0, MOST_NAMES));
  if (asked.length === 0) return new Map();
  const held = await tx
    .select({
      contract: heldSnapshots.contract,
      names: jsonOf<string[]>(sql`jsonb_agg(distinct ${heldSnapshots.name})`),
    })
    .from(heldSnapshots)
    .where(inArray(heldSnapshots.contract, asked))
    .groupBy(heldSnapshots.contract);
  return new Map(held.map(({ contract, names }) => [contract, names]));
}

/** Verdicts of the rows that are shown, each by its first contract. */
async function judgedOf(tx: Queryable, columns: readonly Column[], rows: readonly Row[]) {
  if (rows.length === 0 || columns.length === 0) return [];
  return await tx
    .select({
      contract: verdicts.contract,
      variant: verdicts.variant,
      verdict: verdicts.verdict,
      findings: verdicts.findings,
    })
    .from(verdicts)
    .where(
      and(
        inArray(
          verdicts.contract,
          rows.map(({ digest }) => digest),
        ),
        inArray(
          verdicts.variant,
          columns.map(({ variant }) => variant),
        ),
      ),
    );
}

type Findings = Compatibility["moves"][number]["findings"];

export async function findingsOf(
  tx: Queryable,
  digests: readonly string[],
): Promise<Map<string, Findings>> {
  if (digests.length === 0) return new Map();
  const rows = await tx
    .select()
    .from(findings)
    .where(inArray(findings.digest, [...new Set(digests)]));
  return new Map(
    rows.map(({ digest, findings: found }) => [
      digest,
      found.map(({ severity, rule, address, name, consequence }) => ({
        severity,
        rule,
        address,
        name,
        consequence,
      })),
    ]),
  );
}

export async function compatibilityOf({ store, picture }: Context): Promise<Compatibility> {
  const tx = store.db;
  const { index } = await picture.now();
  const columns = await columnsOf(tx);
  const all = await rowsOf({ db: tx, index }, columns);
  const rows = all.slice(0, MOST_ROWS);
  const judged = await judgedOf(tx, columns, rows);
  const texts = await findingsOf(
    tx,
    judged.map((one) => one.findings),
  );
  const names = await namesOf(tx, rows);
  const byContract = groupBy(judged, ({ contract }) => contract);
  const labels = new Map(columns.map(({ variant, label }) => [variant, label]));
  return {
    classes: columns.map(({ label, nodes: own }) => ({ label, nodes: [...own] })),
    from: rows.map(({ label, digests }) => ({
      label,
      nodes: digests.flatMap((digest) => names.get(digest) ?? []).slice(0, MOST_NAMES),
    })),
    moves: rows.flatMap(({ label, digest }) =>
      (byContract.get(digest) ?? []).flatMap((one) => {
        const to = labels.get(one.variant);
        if (to === undefined) return [];
        return [{ from: label, to, verdict: one.verdict, findings: texts.get(one.findings) ?? [] }];
      }),
    ),
    hidden: all.length - rows.length,
  };
}
