/**
 * The verdict index on disk. A contract and its verdicts on all variants appear at once, as do a
 * variant and its verdicts on all contracts: no pair is ever missing.
 */
import { createHash } from "node:crypto";
import { and, eq, inArray, isNotNull, like, ne, sql } from "drizzle-orm";
import {
  readDocument,
  rulesVersion,
  verdictKey,
  type Finding,
  type NodeProfile,
} from "@evenkeel/core";
import { actorText, type Actor } from "../context.ts";
import { storedContract, storedProfile, type ReadContract } from "../documents.ts";
import { ServerError } from "../errors.ts";
import { takeLock } from "../store/locks.ts";
import { contracts, planVersions, variants, verdicts } from "../store/schema.ts";
import type { Database, Queryable } from "../store/store.ts";
import { openJudging, type AcceptingPlans, type Judging, type VerdictRow } from "./judge.ts";

/** Rows of one statement. */
const CHUNK = 10_000;
/** Sizes, releases and templates of one node's guests make a few hundred; beyond is a flood. */
const MOST_CONTRACTS = { node: 2000, token: 50_000, team: 0 } as const;
/** Of all: servers hold each in memory. */
const MOST_TOGETHER = 50_000;
/** Kinds of nodes that one fleet can have; a few dozen are usual. */
const MOST_VARIANTS = 5000;
/** Lists of findings that this server remembers to have written. */
const MOST_REMEMBERED = 100_000;

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

/** Digests of lists of findings. Most findings are the same few objects, told apart by a number. */
function openDigests() {
  const numbers = new WeakMap<Finding, number>();
  const known = new Map<string, string>();
  let last = 0;
  const numberOf = (finding: Finding): number => {
    const number = numbers.get(finding) ?? (last += 1);
    numbers.set(finding, number);
    return number;
  };
  return (list: readonly Finding[]): string => {
    const key = list.map(numberOf).join();
    const digest =
      known.get(key) ?? createHash("sha256").update(JSON.stringify(list)).digest("hex");
    if (known.size > MOST_REMEMBERED) known.clear();
    known.set(key, digest);
    return digest;
  };
}

/** The index as this process has it, beside the store. */
export interface IndexCache {
  readonly judging: Judging;
  readonly digestOf: (list: readonly Finding[]) => string;
}

export function openIndexCache(): IndexCache {
  return { judging: openJudging(), digestOf: openDigests() };
}

async function writeFindings(
  tx: Queryable,
  found: ReadonlyMap<string, readonly Finding[]>,
): Promise<void> {
  for (const part of chunks([...found])) {
    const rows = JSON.stringify(part.map(([digest, list]) => ({ d: digest, f: list })));
    await tx.execute(sql`
      insert into findings (digest, findings)
      select d, f from json_to_recordset(${rows}::json) as t (d text, f jsonb)
      on conflict do nothing`);
  }
}

/** The lock of the index must be held. One statement for each few thousand rows. */
async function write(tx: Queryable, cache: IndexCache, rows: readonly VerdictRow[]): Promise<void> {
  const found = new Map<string, readonly Finding[]>();
  const revision = await nextRevision(tx);
  const values = rows.map(({ contract, variant, verdict, underPlan, findings: list }) => {
    const digest = cache.digestOf(list);
    found.set(digest, list);
    return { c: contract, n: variant, v: verdict, u: underPlan, f: digest };
  });
  await writeFindings(tx, found);
  for (const part of chunks(values)) {
    await tx.execute(sql`
      insert into verdicts (contract, variant, verdict, under_plan, findings, rules, revision)
      select c, n, v, u, f, ${rulesVersion()}, ${revision}::bigint
      from json_to_recordset(${JSON.stringify(part)}::json)
        as t (c text, n text, v text, u text, f text)
      on conflict (contract, variant) do update set
        verdict = excluded.verdict, under_plan = excluded.under_plan,
        findings = excluded.findings, rules = excluded.rules, revision = excluded.revision`);
  }
}

async function countOf(tx: Queryable, table: typeof contracts | typeof variants): Promise<number> {
  const [row] = await tx.select({ count: sql<string>`count(*)` }).from(table);
  return Number(row?.count ?? 0);
}

async function catchUpContracts(tx: Queryable, { judging }: IndexCache): Promise<void> {
  const digests = await tx.select({ digest: contracts.digest }).from(contracts);
  // Another server may have dropped some that nothing was of any more.
  const there = new Set(digests.map(({ digest }) => digest));
  judging.forget([...judging.contracts()].filter((digest) => !there.has(digest)));
  const lacking = digests.filter(({ digest }) => !judging.hasContract(digest));
  if (lacking.length === 0) return;
  const rows = await tx
    .select({ digest: contracts.digest, contract: contracts.contract })
    .from(contracts).where(sql`${contracts.digest} in (
      select json_array_elements_text(${JSON.stringify(lacking.map(({ digest }) => digest))}::json))`);
  judging.addContracts(
    rows.map(({ digest, contract }) => ({ digest, contract: storedContract(contract) })),
  );
}

async function catchUpVariants(tx: Queryable, { judging }: IndexCache): Promise<void> {
  if ((await countOf(tx, variants)) === judging.variants()) return;
  const rows = await tx.select({ id: variants.id, profile: variants.profile }).from(variants);
  const lacking = rows.filter(({ id }) => !judging.hasVariant(id));
  judging.addVariants(lacking.map(({ id, profile }) => ({ id, profile: storedProfile(profile) })));
}

/** Plans under which snapshots are resumed although a verdict alone would not allow it. */
export async function acceptingPlans(tx: Queryable): Promise<AcceptingPlans> {
  const rows = await tx
    .select({ digest: planVersions.digest, plan: planVersions.plan })
    .from(planVersions)
    .where(and(like(planVersions.plan, '%"accepted"%'), isNotNull(planVersions.approvedBy)));
  return new Map(
    rows.flatMap(({ digest, plan }) => {
      const document = readDocument(JSON.parse(plan), "");
      return document.kind === "plan" ? [[digest, document.plan] as const] : [];
    }),
  );
}

/** Registers what nodes like this one are; returns the variant's id. Throws TOO_MANY. */
export async function registerVariant(
  tx: Queryable,
  cache: IndexCache,
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
  if ((await countOf(tx, variants)) >= MOST_VARIANTS) {
    throw new ServerError("TOO_MANY", `the fleet has ${MOST_VARIANTS} kinds of nodes`);
  }
  const row = { id, class: className, arch, profile: text, created: new Date() };
  await tx.insert(variants).values(row);
  await catchUpContracts(tx, cache);
  await write(tx, cache, cache.judging.onVariant({ id, profile }, await acceptingPlans(tx)));
  return id;
}

/** Throws TOO_MANY. */
async function requireRoom(tx: Queryable, actor: Actor): Promise<void> {
  const reportedBy = actorText(actor);
  const most = MOST_CONTRACTS[actor.kind];
  const [row] = await tx
    .select({ count: sql<string>`count(*)` })
    .from(contracts)
    .where(eq(contracts.reportedBy, reportedBy));
  if (Number(row?.count ?? 0) >= most) {
    throw new ServerError("TOO_MANY", `${reportedBy} has reported ${most} contracts`);
  }
  if ((await countOf(tx, contracts)) < MOST_TOGETHER) return;
  throw new ServerError("TOO_MANY", `the fleet has ${MOST_TOGETHER} contracts`);
}

/** Registers a contract; says whether it was known. Throws TOO_MANY. */
export async function registerContract(
  tx: Queryable,
  cache: IndexCache,
  actor: Actor,
  { contract, digest, text }: ReadContract,
): Promise<{ readonly digest: string; readonly known: boolean }> {
  const known = async () => {
    // What an operator registers is the operator's from then on, whoever reported it before.
    if (actor.kind === "token") {
      const taken = await tx
        .update(contracts)
        .set({ reportedBy: actorText(actor) })
        .where(and(eq(contracts.digest, digest), like(contracts.reportedBy, "node:%")))
        .returning({ digest: contracts.digest });
      if (taken.length > 0) return true;
    }
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
  await requireRoom(tx, actor);
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
  await catchUpVariants(tx, cache);
  const plans = await acceptingPlans(tx);
  await write(tx, cache, cache.judging.ofContract({ digest, contract }, plans));
  return { digest, known: false };
}

/** Of some digests, those that nobody has registered. */
export async function missingContracts(
  tx: Queryable,
  digests: readonly string[],
): Promise<string[]> {
  const wanted = [...new Set(digests)];
  const known = new Set<string>();
  for (const part of chunks(wanted)) {
    const rows = await tx
      .select({ digest: contracts.digest })
      .from(contracts)
      .where(inArray(contracts.digest, part));
    for (const { digest } of rows) known.add(digest);
  }
  return wanted.filter((digest) => !known.has(digest));
}

async function judgeEverything(tx: Queryable, cache: IndexCache): Promise<void> {
  await catchUpContracts(tx, cache);
  const plans = await acceptingPlans(tx);
  const rows = await tx.select({ id: variants.id, profile: variants.profile }).from(variants);
  for (const { id, profile } of rows) {
    const variant = { id, profile: storedProfile(profile) };
    await write(tx, cache, cache.judging.onVariant(variant, plans));
  }
}

/** Judges everything again where the rules are others than those of the index. */
export async function judgeAgain(db: Database, cache: IndexCache): Promise<void> {
  await db.transaction(async (tx) => {
    // Between its statements it judges for as long as that takes.
    await tx.execute(sql`set local idle_in_transaction_session_timeout = 0`);
    const stale = ne(verdicts.rules, rulesVersion());
    const isStale = async () =>
      (await tx.select({ rules: verdicts.rules }).from(verdicts).where(stale).limit(1)).length > 0;
    if (!(await isStale())) return;
    await takeLock(tx, "index");
    if (await isStale()) await judgeEverything(tx, cache);
  });
}

/** Judges the contracts of a plan again, in which something was accepted: now nodes honour it. */
export async function judgeAccepted(
  tx: Queryable,
  cache: IndexCache,
  plan: { readonly digest: string; readonly plan: string },
): Promise<void> {
  if (!plan.plan.includes('"accepted"')) return;
  await takeLock(tx, "index");
  const rows = await tx
    .select({ digest: contracts.digest, contract: contracts.contract })
    .from(contracts)
    .where(eq(contracts.plan, plan.digest));
  await catchUpVariants(tx, cache);
  const document = readDocument(JSON.parse(plan.plan), "");
  if (document.kind !== "plan") return;
  const plans = new Map([[plan.digest, document.plan]]);
  for (const { digest, contract } of rows) {
    const known = { digest, contract: storedContract(contract) };
    await write(tx, cache, cache.judging.ofContract(known, plans));
  }
}
