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

/**
 * What all nodes that hold a snapshot say of it. A node speaks for itself alone: where two name
 * different contracts, neither is believed, and the snapshot is placed nowhere.
 */
export async function heldAs(tx: Queryable, snapshot: string): Promise<Guest> {
  const held = await tx
    .select({ contract: heldSnapshots.contract, memoryMib: heldSnapshots.memoryMib })
    .from(heldSnapshots)
    .where(eq(heldSnapshots.digest, snapshot));
  const [contract, another] = new Set(held.map((one) => one.contract));
  if (contract === undefined) {
    throw new ServerError("NO_SUCH_SNAPSHOT", `no node holds a snapshot ${snapshot}`);
  }
  if (another !== undefined) {
    const message = `nodes disagree on the contract of snapshot ${snapshot}: ${contract}, ${another}`;
    throw new ServerError("WRONG_STATE", message);
  }
  return { contract, memoryMib: Math.max(...held.map(({ memoryMib }) => memoryMib)) };
}

/** Throws NO_SUCH_CONTRACT, NO_SUCH_SNAPSHOT, WRONG_STATE. */
async function guestOf(tx: Queryable, request: Request): Promise<Guest> {
  const { contract, snapshot, memoryMib } = request;
  if (snapshot !== undefined) {
    const { contract: promised, memoryMib: own } = await heldAs(tx, snapshot);
    return { contract: promised, memoryMib: memoryMib ?? own };
  }
  const digest = contract ?? "";
  const [known] = await tx
    .select({ digest: contracts.digest })
    .from(contracts)
    .where(eq(contracts.digest, digest));
  if (known === undefined) {
    throw new ServerError("NO_SUCH_CONTRACT", `there is no contract ${digest}`);
  }
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
  const { contract, memoryMib } = await guestOf(db, request);
  if (request.pool !== undefined) await requirePool(db, request.pool);
  const { snapshot, labels, pool, limit } = request;
  const question = { contract, snapshot, memoryMib, labels, pool, limit };
  return await answerOn(db, await context.picture.now(), question);
}
