/** `POST /v1/placements`: the question looked up, asked, and answered in full. */
import { and, eq, inArray } from "drizzle-orm";
import type { Placement } from "@evenkeel/api";
import type { Context } from "../context.ts";
import { ServerError } from "../errors.ts";
import { requirePool } from "../pools/pools.ts";
import { contracts, findings, heldSnapshots, verdicts } from "../store/schema.ts";
import type { Queryable } from "../store/store.ts";
import { obstaclesOf, waysOut, type VariantFindings } from "./explain.ts";
import type { Fleet, Labels } from "./fleet.ts";
import { place, type Answer, type Question } from "./place.ts";

interface Request {
  readonly contract?: string | undefined;
  readonly snapshot?: string | undefined;
  readonly memoryMib?: number | undefined;
  readonly labels: Labels;
  readonly pool?: string | undefined;
  readonly limit: number;
}

interface Guest {
  readonly contract: string;
  readonly memoryMib: number;
}

/** Of a snapshot that the picture does not have: another server may just have heard of it. */
export async function heldAs(tx: Queryable, snapshot: string): Promise<Guest> {
  const [held] = await tx
    .select({ contract: heldSnapshots.contract, memoryMib: heldSnapshots.memoryMib })
    .from(heldSnapshots)
    .where(eq(heldSnapshots.digest, snapshot))
    .limit(1);
  if (held !== undefined) return held;
  throw new ServerError("NO_SUCH_SNAPSHOT", `no node holds a snapshot ${snapshot}`);
}

async function requireContract({ picture, store }: Context, digest: string): Promise<void> {
  if (picture.hasContract(digest)) return;
  const [known] = await store.db
    .select({ digest: contracts.digest })
    .from(contracts)
    .where(eq(contracts.digest, digest));
  if (known !== undefined) return;
  throw new ServerError("NO_SUCH_CONTRACT", `there is no contract ${digest}`);
}

/**
 * What is to be placed. A snapshot's manifest names its contract, and its digest is the manifest's,
 * so that no node can say otherwise. Throws NO_SUCH_CONTRACT, NO_SUCH_SNAPSHOT.
 */
async function guestOf(context: Context, request: Request): Promise<Guest> {
  const { contract, snapshot, memoryMib } = request;
  if (snapshot !== undefined) {
    const own = context.picture.guest(snapshot) ?? (await heldAs(context.store.db, snapshot));
    return { contract: own.contract, memoryMib: memoryMib ?? own.memoryMib };
  }
  const digest = contract ?? "";
  await requireContract(context, digest);
  return { contract: digest, memoryMib: memoryMib ?? 0 };
}

async function findingsOf(
  tx: Queryable,
  contract: string,
  refused: Answer["refused"],
): Promise<Map<string, VariantFindings>> {
  if (refused.size === 0) return new Map();
  const rows = await tx
    .select({
      variant: verdicts.variant,
      verdict: verdicts.verdict,
      findings: findings.findings,
    })
    .from(verdicts)
    .innerJoin(findings, eq(findings.digest, verdicts.findings))
    .where(and(eq(verdicts.contract, contract), inArray(verdicts.variant, [...refused.keys()])));
  return new Map(rows.map(({ variant, ...found }) => [variant, found]));
}

function placed({ nodes, freeSandboxes, freeMemoryMib }: Fleet, answer: Answer) {
  return answer.nodes.flatMap((index) => {
    const node = nodes[index];
    if (node === undefined) return [];
    return [
      {
        id: node.id,
        name: node.name,
        class: node.class,
        holdsFiles: answer.holders.has(index),
        freeSandboxes: freeSandboxes[index] ?? 0,
        freeMemoryMib: freeMemoryMib[index] ?? 0,
      },
    ];
  });
}

/** The answer on a fleet, or on a part of it, in full. */
export async function answerOn(
  db: Queryable,
  fleet: Fleet,
  question: Question,
): Promise<Placement> {
  const { contract } = question;
  const answer = place(fleet, question);
  const found =
    answer.eligible > 0
      ? new Map<string, VariantFindings>()
      : await findingsOf(db, contract, answer.refused);
  return {
    contract,
    nodes: placed(fleet, answer),
    considered: fleet.nodes.length,
    eligible: answer.eligible,
    filters: [...answer.filters].map(([filter, nodes]) => ({ filter, nodes })),
    obstacles: answer.eligible > 0 ? [] : obstaclesOf(answer.refused, found),
    waysOut: waysOut(answer),
  };
}

/** Throws NO_SUCH_CONTRACT, NO_SUCH_SNAPSHOT, NO_SUCH_POOL. That no node fits is an answer. */
export async function answerPlacement(context: Context, request: Request): Promise<Placement> {
  const { db } = context.store;
  const fleet = await context.picture.now();
  const { contract, memoryMib } = await guestOf(context, request);
  if (request.pool !== undefined && !fleet.strategies.has(request.pool)) {
    await requirePool(db, request.pool);
  }
  const { snapshot, labels, pool, limit } = request;
  return await answerOn(db, fleet, { contract, snapshot, memoryMib, labels, pool, limit });
}
