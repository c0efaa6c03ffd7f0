/** Contracts and snapshots as operators see them. */
import { groupBy } from "@evenkeel/core";
import { and, eq, sql } from "drizzle-orm";
import { ServerError } from "../errors.ts";
import { contracts, heldSnapshots, nodes, verdicts } from "../store/schema.ts";
import type { Queryable } from "../store/store.ts";

type Digest = string | undefined;

function rowsOf(tx: Queryable, digest: Digest) {
  return tx
    .select({
      digest: contracts.digest,
      arch: contracts.arch,
      vendor: contracts.vendor,
      class: contracts.class,
      firecracker: contracts.firecracker,
      plan: contracts.plan,
      node: contracts.node,
      reportedBy: contracts.reportedBy,
      created: contracts.created,
    })
    .from(contracts)
    .where(digest === undefined ? undefined : eq(contracts.digest, digest))
    .orderBy(contracts.created, contracts.digest);
}

/** Nodes by verdict, of each contract. */
async function verdictCounts(tx: Queryable, digest: Digest) {
  const rows = await tx
    .select({
      contract: verdicts.contract,
      verdict: verdicts.verdict,
      count: sql<string>`count(*)`,
    })
    .from(verdicts)
    .innerJoin(nodes, eq(nodes.variant, verdicts.variant))
    .where(digest === undefined ? undefined : eq(verdicts.contract, digest))
    .groupBy(verdicts.contract, verdicts.verdict);
  const byContract = groupBy(rows, ({ contract }) => contract);
  return (contract: string): Record<string, number> =>
    Object.fromEntries(
      (byContract.get(contract) ?? []).map(({ verdict, count }) => [verdict, Number(count)]),
    );
}

async function snapshotCounts(tx: Queryable) {
  const rows = await tx
    .select({
      contract: heldSnapshots.contract,
      count: sql<string>`count(distinct ${heldSnapshots.digest})`,
    })
    .from(heldSnapshots)
    .groupBy(heldSnapshots.contract);
  return new Map(rows.map(({ contract, count }) => [contract, Number(count)]));
}

export async function listContracts(tx: Queryable, digest?: string) {
  const counts = await verdictCounts(tx, digest);
  const snapshots = await snapshotCounts(tx);
  return (await rowsOf(tx, digest)).map(({ created, ...row }) => ({
    ...row,
    first: created.toISOString(),
    snapshots: snapshots.get(row.digest) ?? 0,
    verdicts: counts(row.digest),
  }));
}

/** Throws NO_SUCH_CONTRACT. */
export async function getContract(tx: Queryable, digest: string) {
  const [view] = await listContracts(tx, digest);
  if (view !== undefined) return view;
  throw new ServerError("NO_SUCH_CONTRACT", `there is no contract ${digest}`);
}

/** One entry for each snapshot, however many nodes hold it. */
interface SnapshotFilter {
  readonly name?: string | undefined;
  readonly digest?: string | undefined;
}

export async function listSnapshots(
  tx: Queryable,
  { name: called, digest: known }: SnapshotFilter = {},
) {
  const counts = await verdictCounts(tx, undefined);
  const rows = await tx
    .select({ held: heldSnapshots, node: nodes.name })
    .from(heldSnapshots)
    .innerJoin(nodes, eq(nodes.id, heldSnapshots.node))
    .where(
      and(
        called === undefined ? undefined : eq(heldSnapshots.name, called),
        known === undefined ? undefined : eq(heldSnapshots.digest, known),
      ),
    )
    .orderBy(heldSnapshots.name, nodes.name);
  return [...groupBy(rows, ({ held }) => held.digest)].flatMap(([digest, copies]) => {
    const [first] = copies;
    if (first === undefined) return [];
    const { name, kind, contract, memoryMib, bytes, created } = first.held;
    return [
      {
        name,
        digest,
        kind,
        contract,
        memoryMib,
        bytes,
        nodes: copies.map(({ node }) => node),
        resumable: counts(contract)["compatible"] ?? 0,
        created: created.toISOString(),
      },
    ];
  });
}
