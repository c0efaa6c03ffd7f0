/** What nodes reported and nobody has any more. */
import { sql } from "drizzle-orm";
import type { Context } from "../context.ts";
import type { Queryable } from "../store/store.ts";
import { takeLock } from "../store/locks.ts";

/** Rows of one step. */
const AT_ONCE = 5000;

/**
 * Each pause of a sandbox makes a contract, so that they would be without end. Those that nodes
 * reported go an hour after nothing is of them any more; what an operator registered stays, and so
 * do contracts of work that is under way. The latest verdicts stay as well: pictures are read by
 * revision, and a revision that was given again would never be read.
 */
export async function dropGarbage({ index }: Context, tx: Queryable): Promise<boolean> {
  await tx.execute(sql`
    delete from manifests m where m.created < now() - interval '1 hour'
      and not exists (select 1 from held_snapshots h where h.digest = m.digest)
      and not exists (select 1 from nodes n where m.reported_by = 'node:' || n.name)`);
  await takeLock(tx, "index");
  const { rows } = await tx.execute<{ digest: string }>(sql`
    delete from contracts c where c.digest in (
      select digest from contracts k where k.reported_by like 'node:%'
        and k.created < now() - interval '1 hour'
        and not exists (select 1 from held_snapshots h where h.contract = k.digest)
        and not exists (select 1 from manifests m where m.contract = k.digest)
        and not exists (select 1 from sandboxes s where s.contract = k.digest)
        and not exists (select 1 from verdicts v where v.contract = k.digest
          and v.revision = (select max(revision) from verdicts))
      limit ${AT_ONCE})
    returning c.digest`);
  if (rows.length > 0) {
    await tx.execute(sql`
      delete from findings f where not exists (select 1 from verdicts v where v.findings = f.digest)`);
  }
  index.judging.forget(rows.map(({ digest }) => digest));
  return false;
}
