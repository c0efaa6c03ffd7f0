/**
 * Duties that one server at a time does. Who has one holds a lease in the store and renews it; where
 * it does not, another server takes the duty, with the next epoch. Every transaction of a duty first
 * locks the lease and compares the epoch, so that a server which was paused, or cut off, and
 * believes itself still the leader writes nothing.
 * https://martin.kleppmann.com/2016/02/08/how-to-do-distributed-locking.html
 */
import { and, eq, sql } from "drizzle-orm";
import { record } from "../audit.ts";
import { ServerError } from "../errors.ts";
import { leaders } from "../store/schema.ts";
import type { Queryable, Store } from "../store/store.ts";

export type Duty = "rollouts" | "expiry" | "garbage";

/** How long a leader may be silent. */
const LEASE_SECONDS = 6;

export interface Lease {
  readonly duty: Duty;
  /** Of the process, not of the machine: one that was started again is another. */
  readonly server: string;
  readonly epoch: number;
}

interface Taken extends Record<string, unknown> {
  readonly epoch: string;
  readonly before: string | null;
}

/** Renews the lease of a duty, or takes one that nobody holds; undefined where another server does. */
export async function lead(
  { db }: Pick<Store, "db">,
  duty: Duty,
  server: string,
): Promise<Lease | undefined> {
  return await db.transaction(async (tx) => {
    const { rows } = await tx.execute<Taken>(sql`
      with before as (select server from leaders where duty = ${duty})
      insert into leaders as l (duty, server, epoch, until)
      values (${duty}, ${server}, 1, now() + ${LEASE_SECONDS} * interval '1 second')
      on conflict (duty) do update set
        server = excluded.server, until = excluded.until,
        epoch = case when l.server = excluded.server then l.epoch else l.epoch + 1 end
      where l.server = excluded.server or l.until < now()
      returning epoch::text, (select server from before) as before`);
    const [row] = rows;
    if (row === undefined) return undefined;
    const epoch = Number(row.epoch);
    if (row.before !== server) {
      await record(tx, "server", {
        action: "leader.changed",
        subject: duty,
        data: { server, epoch },
      });
    }
    return { duty, server, epoch };
  });
}

/**
 * A transaction of a duty: nobody takes the duty until it ends, and where somebody has, it throws
 * LEADER_LOST and writes nothing.
 */
export async function asLeader<T>(
  { db }: Pick<Store, "db">,
  lease: Lease,
  write: (tx: Queryable) => Promise<T>,
): Promise<T> {
  return await db.transaction(async (tx) => {
    const { duty, server, epoch } = lease;
    const [held] = await tx
      .select({ duty: leaders.duty })
      .from(leaders)
      .where(and(eq(leaders.duty, duty), eq(leaders.server, server), eq(leaders.epoch, epoch)))
      .for("share");
    if (held !== undefined) return await write(tx);
    throw new ServerError("LEADER_LOST", `another server has taken ${duty} since epoch ${epoch}`);
  });
}

/** Lets others take what this server had, without waiting for its leases to end. */
export async function resign({ db }: Pick<Store, "db">, server: string): Promise<void> {
  await db
    .update(leaders)
    .set({ until: sql`'epoch'` })
    .where(eq(leaders.server, server));
}
