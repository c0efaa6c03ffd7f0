/**
 * The verdict index on disk. A contract and its verdicts on all variants appear at once, as do a
 * variant and its verdicts on all contracts: no pair is ever missing.
 */
import { createHash } from "node:crypto";
import { eq, ne, sql } from "drizzle-orm";
import { rulesVersion, verdictKey, type NodeProfile } from "@evenkeel/core";
import { actorText, type Actor } from "../context.ts";
import { storedContract, storedProfile, type ReadContract } from "../documents.ts";
import { ServerError } from "../errors.ts";
import { takeLock } from "../store/locks.ts";
import { contracts, findings, variants, verdicts } from "../store/schema.ts";
import type { Database, Queryable } from "../store/store.ts";
import { judgeAll, type KnownContract, type KnownVariant, type VerdictRow } from "./judge.ts";

/** Rows of one statement: PostgreSQL takes 65,535 parameters. */
const CHUNK = 4000;
/** No node has so many guests of its own making; what goes on beyond is a flood. */
const MOST_CONTRACTS = 20_000;

function chunks<T>(list: readonly T[]): T[][] {
  const parts: T[][] = [];
  for (let i = 0; i < list.length; i += CHUNK) parts.push(list.slice(i, i + CHUNK));
  return parts;
}

async function nextRevision(tx: Queryable): Promise<number> {
  const [row] = await tx
    .select({ last: sql<string>`coalesce(max(${verdicts.revision}), 0)` })
    .from(verdicts);
  return Number(row?.last ?? 0) + 1;
}

/** The lock of the index must be held. */
async function write(tx: Queryable, rows: readonly VerdictRow[]): Promise<void> {
  const found = new Map<string, VerdictRow["findings"]>();
  const rules = rulesVersion();
  const revision = await nextRevision(tx);
  const digests = new WeakMap<VerdictRow["findings"], string>();
  const values = rows.map(({ contract, variant, verdict, findings: list }) => {
    const digest =
      digests.get(list) ?? createHash("sha256").update(JSON.stringify(list)).digest("hex");
    digests.set(list, digest);
    found.set(digest, list);
    return { contract, variant, verdict, findings: digest, rules, revision };
  });
  for (const part of chunks([...found].map(([digest, list]) => ({ digest, findings: list })))) {
    await tx.insert(findings).values(part).onConflictDoNothing();
  }
  for (const part of chunks(values)) {
    await tx
      .insert(verdicts)
      .values(part)
      .onConflictDoUpdate({
        target: [verdicts.contract, verdicts.variant],
        set: {
          verdict: sql`excluded.verdict`,
          findings: sql`excluded.findings`,
          rules: sql`excluded.rules`,
          revision: sql`excluded.revision`,
        },
      });
  }
}

async function allVariants(tx: Queryable): Promise<KnownVariant[]> {
  const rows = await tx.select({ id: variants.id, profile: variants.profile }).from(variants);
  return rows.map(({ id, profile }) => ({ id, profile: storedProfile(profile) }));
}

async function allContracts(tx: Queryable): Promise<KnownContract[]> {
  const rows = await tx
    .select({ digest: contracts.digest, contract: contracts.contract })
    .from(contracts);
  return rows.map(({ digest, contract }) => ({ digest, contract: storedContract(contract) }));
}

/** Registers what nodes like this one are; returns the variant's id. */
export async function registerVariant(
  tx: Queryable,
  profile: NodeProfile,
  className: string,
  text: string,
): Promise<string> {
  const id = verdictKey(profile);
  const known = async () =>
    (await tx.select({ id: variants.id }).from(variants).where(eq(variants.id, id))).length > 0;
  if (await known()) return id;
  await takeLock(tx, "index");
  if (await known()) return id;
  const { arch } = profile.cpu;
  const row = { id, class: className, arch, profile: text, created: new Date() };
  await tx.insert(variants).values(row);
  await write(tx, judgeAll(await allContracts(tx), [{ id, profile }]));
  return id;
}

/** Throws TOO_MANY. */
async function requireRoom(tx: Queryable, reportedBy: string): Promise<void> {
  const [row] = await tx
    .select({ count: sql<string>`count(*)` })
    .from(contracts)
    .where(eq(contracts.reportedBy, reportedBy));
  if (Number(row?.count ?? 0) < MOST_CONTRACTS) return;
  throw new ServerError("TOO_MANY", `${reportedBy} has reported ${MOST_CONTRACTS} contracts`);
}

/** Registers a contract; says whether it was known. Throws TOO_MANY. */
export async function registerContract(
  tx: Queryable,
  actor: Actor,
  { contract, digest, text }: ReadContract,
): Promise<{ readonly digest: string; readonly known: boolean }> {
  const known = async () => {
    const rows = await tx
      .select({ digest: contracts.digest })
      .from(contracts)
      .where(eq(contracts.digest, digest));
    return rows.length > 0;
  };
  if (await known()) return { digest, known: true };
  await takeLock(tx, "index");
  if (await known()) return { digest, known: true };
  const reportedBy = actorText(actor);
  await requireRoom(tx, reportedBy);
  const { arch, vendor, class: className, firecracker, plan, node } = contract;
  await tx.insert(contracts).values({
    digest,
    contract: text,
    arch,
    vendor: vendor ?? null,
    class: className ?? null,
    firecracker,
    plan: plan ?? null,
    node,
    reportedBy,
    created: new Date(),
  });
  await write(tx, judgeAll([{ digest, contract }], await allVariants(tx)));
  return { digest, known: false };
}

/** Judges everything again where the rules are others than those of the index. */
export async function judgeAgain(db: Database): Promise<void> {
  await db.transaction(async (tx) => {
    const stale = ne(verdicts.rules, rulesVersion());
    const isStale = async () =>
      (await tx.select({ rules: verdicts.rules }).from(verdicts).where(stale).limit(1)).length > 0;
    if (!(await isStale())) return;
    await takeLock(tx, "index");
    if (await isStale()) await write(tx, judgeAll(await allContracts(tx), await allVariants(tx)));
  });
}
