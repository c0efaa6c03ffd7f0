/**
 * Changes: one transaction each. With an Idempotency-Key, the answer is kept in that transaction,
 * and the same request gets it again, whichever server it reaches; what failed left nothing, and is
 * tried anew.
 * https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
 */
import { createHash } from "node:crypto";
import { and, eq, lt, sql } from "drizzle-orm";
import type { FastifyReply, FastifyRequest } from "fastify";
import { actorText, type Actor, type Context } from "../context.ts";
import { ServerError } from "../errors.ts";
import { answers } from "../store/schema.ts";
import type { Queryable } from "../store/store.ts";
import { actorOf } from "./auth.ts";

const KEY = /^[\x21-\x7e]{1,128}$/;
/** How long an answer is kept. */
const KEPT = sql`now() - interval '24 hours'`;

function keyOf({ headers }: FastifyRequest): string | undefined {
  const key = headers["idempotency-key"];
  if (key === undefined) return undefined;
  if (typeof key === "string" && KEY.test(key)) return key;
  throw new ServerError("BAD_REQUEST", "Idempotency-Key: must be 1 to 128 visible characters");
}

function fingerprint({ method, url, body }: FastifyRequest): string {
  return createHash("sha256")
    .update(JSON.stringify([method, url, body ?? null]))
    .digest("hex");
}

/** Waits for a request with the same key that is under way. Throws KEY_REUSED. */
async function earlier(tx: Queryable, actor: string, key: string, request: string) {
  await tx.execute(sql`select pg_advisory_xact_lock(hashtextextended(${`${actor}\n${key}`}, 0))`);
  await tx.delete(answers).where(and(eq(answers.actor, actor), lt(answers.created, KEPT)));
  const [row] = await tx
    .select()
    .from(answers)
    .where(and(eq(answers.actor, actor), eq(answers.key, key)));
  if (row !== undefined && row.request !== request) {
    throw new ServerError("KEY_REUSED", "this Idempotency-Key was used for another request");
  }
  return row;
}

type Change<T> = (tx: Queryable, actor: Actor) => Promise<T>;

/** Whether a request with this key was done before, as far as can be told without its lock. */
export async function wasDone({ store }: Context, request: FastifyRequest): Promise<boolean> {
  const key = keyOf(request);
  if (key === undefined) return false;
  const who = actorText(actorOf(request));
  const rows = await store.db
    .select({ key: answers.key })
    .from(answers)
    .where(and(eq(answers.actor, who), eq(answers.key, key)));
  return rows.length > 0;
}

/**
 * Runs a change and sends its answer. `status`: of a success. `isNews`: placement must see it at
 * once.
 */
export async function sendChange<T>(
  context: Context,
  request: FastifyRequest,
  reply: FastifyReply,
  status: number,
  change: Change<T>,
  { isNews = true } = {},
): Promise<T> {
  const actor = actorOf(request);
  const key = keyOf(request);
  const who = actorText(actor);
  const asked = fingerprint(request);
  const body = await context.store.db.transaction(async (tx) => {
    if (key === undefined) return await change(tx, actor);
    const row = await earlier(tx, who, key, asked);
    if (row !== undefined) return JSON.parse(row.body) as T;
    const made = await change(tx, actor);
    const kept = { actor: who, key, request: asked, status, body: JSON.stringify(made ?? null) };
    await tx.insert(answers).values({ ...kept, created: sql`now()` });
    return made;
  });
  if (isNews) context.picture.changed();
  void reply.code(status);
  return body;
}

/** As {@link sendChange}, for answers that hold a secret, which is not kept. Throws BAD_REQUEST. */
export async function sendSecret<T>(
  context: Context,
  request: FastifyRequest,
  reply: FastifyReply,
  change: Change<T>,
): Promise<T> {
  if (keyOf(request) !== undefined) {
    const message = "an answer with a secret is not kept: ask again and delete what is not used";
    throw new ServerError("BAD_REQUEST", `Idempotency-Key: ${message}`);
  }
  return await sendChange(context, request, reply, 201, change);
}
