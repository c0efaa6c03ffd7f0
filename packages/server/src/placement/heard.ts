/** Heartbeats without news, written together. */
import { sql } from "drizzle-orm";
import type { Queryable } from "../store/store.ts";
import type { LiveNode } from "./live-nodes.ts";

export async function writeHeard(db: Queryable, heard: Iterable<LiveNode>): Promise<void> {
  const now = performance.now();
  const rows = Array.from(heard, ({ row, capacity, heardAt }) => ({
    i: row.id,
    a: Math.max(0, (now - heardAt) / 1000),
    c: capacity,
  }));
  if (rows.length === 0) return;
  // What another transaction changes right now says of itself that it was heard.
  await db.execute(sql`
    with heard as (
      select i, a, c from json_to_recordset(${JSON.stringify(rows)}::json)
        as t (i text, a float8, c jsonb)
    ), free as (
      select id from nodes where id in (select i from heard) order by id for update skip locked
    )
    update nodes set seen = greatest(seen, now() - heard.a * interval '1 second'), capacity = heard.c
    from heard join free on free.id = heard.i where nodes.id = heard.i`);
}
