/** What is kept for a time, and no longer. */
import { sql } from "drizzle-orm";
import type { Context } from "../context.ts";
import type { Queryable } from "../store/store.ts";

/** Rows of one step: others are to be answered meanwhile. */
const AT_ONCE = 10_000;

/** Work that was answered, answers to keys, and join tokens that nobody can use any more. */
export async function dropExpired(_context: Context, tx: Queryable): Promise<boolean> {
  await tx.execute(sql`
    delete from work where id in (
      select id from work where finished < now() - interval '24 hours' limit ${AT_ONCE})`);
  await tx.execute(sql`
    delete from answers where (actor, key) in (
      select actor, key from answers where created < now() - interval '24 hours' limit ${AT_ONCE})`);
  // One that a node has used is asked for again by an agent that never heard the answer.
  await tx.execute(sql`
    delete from join_tokens where expires < now() - interval '24 hours'
      and (node is null or not exists (select 1 from nodes n where n.id = join_tokens.node))`);
  return false;
}
