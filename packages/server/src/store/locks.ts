/** Advisory locks: held until the transaction ends, however it ends. */
import { sql } from "drizzle-orm";
import type { Database } from "./store.ts";

/** What is done by one transaction at a time, across all servers of a database. */
const LOCKS = {
  migrate: 1,
  /** The CA and the first operator's token. */
  bootstrap: 2,
  /** New contracts and new variants: each must see the other's. */
  index: 3,
  /** Pools, their plans, and which nodes are in which. */
  pools: 4,
  /** Nodes that leave or are drained: each must see that the other is gone. */
  leaving: 5,
} as const;

/** The first half of the key: other programs on the database have locks of their own. */
const SPACE = 0x65_76_6b_6c;

export async function takeLock(
  tx: Pick<Database, "execute">,
  name: keyof typeof LOCKS,
): Promise<void> {
  await tx.execute(sql`select pg_advisory_xact_lock(${SPACE}, ${LOCKS[name]})`);
}
