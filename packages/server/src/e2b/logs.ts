/** What this server has of a sandbox's life, as its logs: what was done to it. Guests' output is not kept. */
import { and, asc, desc, eq, sql } from "drizzle-orm";
import { audit } from "../store/schema.ts";
import type { Queryable } from "../store/store.ts";

interface LogQuery {
  readonly limit: number;
  /** Milliseconds since 1970. */
  readonly from: number;
  readonly newestFirst: boolean;
}

export async function logsOf(tx: Queryable, sandbox: string, asked: LogQuery) {
  const { limit, from, newestFirst } = asked;
  const rows = await tx
    .select()
    .from(audit)
    .where(and(eq(audit.subject, sandbox), sql`${audit.time} >= ${new Date(from).toISOString()}`))
    .orderBy(newestFirst ? desc(audit.id) : asc(audit.id))
    .limit(limit);
  return rows.map(({ time, action }) => ({
    timestamp: time.toISOString(),
    message: action,
    level: "info" as const,
    // Not who did it: operators' names are not for teams.
    fields: {},
  }));
}
