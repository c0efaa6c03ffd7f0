/** `GET /v1/snapshots/:digest`: what the index says of a snapshot, where it comes from, who forced it. */
import { and, desc, eq, inArray, or, sql } from "drizzle-orm";
import type { SnapshotDetail } from "@evenkeel/api";
import type { Context } from "../context.ts";
import { ServerError } from "../errors.ts";
import {
  audit,
  heldSnapshots,
  manifests,
  nodes,
  profiles,
  sandboxes,
  verdicts,
} from "../store/schema.ts";
import type { Queryable } from "../store/store.ts";
import { findingsOf } from "./compatibility.ts";
import { countOf } from "./json.ts";

/** Generations, relatives and sandboxes that are listed. */
const MOST = 50;
/** Entries of the audit log that are looked through for overrides. */
const LOG = 100_000;

/** Throws NO_SUCH_SNAPSHOT. */
async function requireHeld(tx: Queryable, digest: string): Promise<string> {
  const [held] = await tx
    .select({ contract: heldSnapshots.contract })
    .from(heldSnapshots)
    .where(eq(heldSnapshots.digest, digest))
    .limit(1);
  if (held !== undefined) return held.contract;
  throw new ServerError("NO_SUCH_SNAPSHOT", `no node holds a snapshot ${digest.slice(0, 64)}`);
}

async function verdictsOf(tx: Queryable, contract: string): Promise<SnapshotDetail["verdicts"]> {
  const kinds = await tx
    .select({
      variant: nodes.variant,
      class: sql<string>`min(${profiles.class})`,
      kernel: sql<string | null>`min(${profiles.kernel})`,
      nodes: countOf(sql`count(*)`),
    })
    .from(nodes)
    .innerJoin(profiles, eq(profiles.digest, nodes.profile))
    .groupBy(nodes.variant)
    .orderBy(sql`min(${profiles.class})`, nodes.variant);
  const judged = await tx.select().from(verdicts).where(eq(verdicts.contract, contract));
  const byVariant = new Map(judged.map((row) => [row.variant, row]));
  const texts = await findingsOf(
    tx,
    judged.map((row) => row.findings),
  );
  return kinds.map(({ variant, ...kind }) => {
    const row = byVariant.get(variant);
    const found = row === undefined ? undefined : texts.get(row.findings);
    return { ...kind, verdict: row?.verdict ?? ("unknown" as const), findings: found ?? [] };
  });
}

async function nameOf(tx: Queryable, digest: string): Promise<string | null> {
  const [held] = await tx
    .select({ name: heldSnapshots.name })
    .from(heldSnapshots)
    .where(eq(heldSnapshots.digest, digest))
    .limit(1);
  return held?.name ?? null;
}

/** Nodes that hold a snapshot say whose child it is; manifests do so for those that are gone. */
async function parentOf(tx: Queryable, digest: string): Promise<string | null> {
  const [kept] = await tx
    .select({ parent: manifests.parent })
    .from(manifests)
    .where(eq(manifests.digest, digest));
  if (kept !== undefined) return kept.parent;
  const [held] = await tx
    .select({ parent: heldSnapshots.parent })
    .from(heldSnapshots)
    .where(eq(heldSnapshots.digest, digest))
    .limit(1);
  return held?.parent ?? null;
}

async function ancestorsOf(tx: Queryable, digest: string): Promise<SnapshotDetail["ancestors"]> {
  const found: SnapshotDetail["ancestors"] = [];
  const seen = new Set([digest]);
  let parent = await parentOf(tx, digest);
  while (parent !== null && !seen.has(parent) && found.length < MOST) {
    seen.add(parent);
    found.push({ digest: parent, name: await nameOf(tx, parent) });
    parent = await parentOf(tx, parent);
  }
  return found;
}

async function childrenOf(tx: Queryable, digest: string) {
  return await tx
    .selectDistinct({ digest: heldSnapshots.digest, name: heldSnapshots.name })
    .from(heldSnapshots)
    .where(eq(heldSnapshots.parent, digest))
    .orderBy(heldSnapshots.name)
    .limit(MOST);
}

async function sandboxesOf(tx: Queryable, digest: string): Promise<string[]> {
  const rows = await tx
    .select({ id: sandboxes.id })
    .from(sandboxes)
    .where(or(eq(sandboxes.from, digest), eq(sandboxes.snapshot, digest)))
    .orderBy(desc(sandboxes.created))
    .limit(MOST);
  return rows.map(({ id }) => id);
}

/** `id` of the oldest entry that is looked at: the log is long, and has no index for this. */
export const RECENT = sql`${audit.id} > (select coalesce(max(id), 0) - ${sql.raw(String(LOG))} from audit)`;

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

async function overridesOf(
  tx: Queryable,
  digest: string,
  own: readonly string[],
): Promise<SnapshotDetail["overrides"]> {
  const of = [
    sql`${audit.data}->>'from' = ${digest}`,
    ...(own.length === 0 ? [] : [inArray(audit.subject, [...own])]),
  ];
  const forced = sql`${audit.data}->'override' is not null`;
  const rows = await tx
    .select()
    .from(audit)
    .where(
      and(RECENT, inArray(audit.action, ["sandbox.created", "sandbox.resumed"]), forced, or(...of)),
    )
    .orderBy(desc(audit.id))
    .limit(MOST);
  return rows.map(({ time, actor, subject, data }) => {
    const { override, node } = data as { override?: Record<string, unknown>; node?: unknown };
    return {
      time: time.toISOString(),
      actor,
      subject,
      node: textOf(node),
      accept: textOf(override?.["accept"]),
      reason: textOf(override?.["reason"]),
    };
  });
}

/** Throws NO_SUCH_SNAPSHOT. */
export async function snapshotDetail({ store }: Context, digest: string): Promise<SnapshotDetail> {
  const { db } = store;
  const contract = await requireHeld(db, digest);
  const own = await sandboxesOf(db, digest);
  return {
    digest,
    verdicts: await verdictsOf(db, contract),
    ancestors: await ancestorsOf(db, digest),
    children: await childrenOf(db, digest),
    sandboxes: own,
    overrides: await overridesOf(db, digest, own),
  };
}
