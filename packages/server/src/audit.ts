/** Who did what, written in the transaction that does it. */
import { desc, lt } from "drizzle-orm";
import { actorText, type Actor, type Context } from "./context.ts";
import { audit } from "./store/schema.ts";
import type { Queryable } from "./store/store.ts";

export interface Deed {
  readonly action: string;
  readonly subject: string;
  readonly data?: Readonly<Record<string, unknown>>;
}

export async function record(tx: Queryable, actor: Actor | "server", deed: Deed): Promise<void> {
  const { action, subject, data = {} } = deed;
  const who = actor === "server" ? actor : actorText(actor);
  await tx.insert(audit).values({ time: new Date(), actor: who, action, subject, data });
}

/** Newest first, those before an entry where one is named. */
export async function listAudit({ store }: Context, limit: number, before: number | undefined) {
  const older = before === undefined ? undefined : lt(audit.id, before);
  const rows = await store.db
    .select()
    .from(audit)
    .where(older)
    .orderBy(desc(audit.id))
    .limit(limit);
  return rows.map((row) => ({ ...row, time: row.time.toISOString() }));
}
