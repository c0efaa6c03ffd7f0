/**
 * Brings a store to this build's schema: all that is missing in one transaction, under a lock that
 * a second server waits for.
 */
import { createHash } from "node:crypto";
import { sql } from "drizzle-orm";
import { ServerError } from "../errors.ts";
import { MIGRATIONS, type Migration } from "./migrations/index.ts";
import type { Database } from "./store.ts";
import { takeLock } from "./locks.ts";

interface Applied extends Record<string, unknown> {
  readonly number: number;
  readonly name: string;
  readonly digest: string;
}

function digestOf({ sql: text }: Migration): string {
  return createHash("sha256").update(text).digest("hex");
}

/** Throws STORE_TOO_NEW, STORE_CHANGED. */
function requireOurs(applied: readonly Applied[], all: readonly Migration[]): void {
  for (const { number, name, digest } of applied) {
    const own = all[number - 1];
    if (own === undefined) {
      const message = `the store has migration ${number} (${name}), this build ends at ${all.length}`;
      throw new ServerError("STORE_TOO_NEW", message);
    }
    if (digestOf(own) !== digest) {
      const message = `migration ${number} (${name}) is not the one that this build has`;
      throw new ServerError("STORE_CHANGED", message);
    }
  }
}

/** Returns the number of the last migration. `all` is given by tests. */
export async function migrate(
  db: Database,
  all: readonly Migration[] = MIGRATIONS,
): Promise<number> {
  return await db.transaction(async (tx) => {
    await takeLock(tx, "migrate");
    await tx.execute(sql`create table if not exists migrations (
      number integer primary key, name text not null, digest text not null,
      applied timestamptz(3) not null default now())`);
    const { rows } = await tx.execute<Applied>(
      sql`select number, name, digest from migrations order by number`,
    );
    requireOurs(rows, all);
    for (const [i, migration] of all.entries()) {
      if (i < rows.length) continue;
      for (const statement of migration.sql.split(/;\s*\n/)) {
        if (statement.trim() !== "") await tx.execute(sql.raw(statement));
      }
      await tx.execute(
        sql`insert into migrations (number, name, digest)
            values (${i + 1}, ${migration.name}, ${digestOf(migration)})`,
      );
    }
    return all.length;
  });
}
