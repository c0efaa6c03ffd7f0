/** Teams' keys: shown once, kept as digests. A team is a name, and exists while it has a key. */
import { createHmac } from "node:crypto";
import { and, eq } from "drizzle-orm";
import { record } from "../audit.ts";
import { actorText, type Actor } from "../context.ts";
import { ServerError } from "../errors.ts";
import { digestOf, newSecret } from "../secrets.ts";
import { takeLock } from "../store/locks.ts";
import { e2bKeys, e2bSecrets } from "../store/schema.ts";
import type { Database, Queryable } from "../store/store.ts";

/** E2B's SDKs look for this, and for hexadecimal digits after it. */
const PREFIX = "e2b_";

function newKey(): string {
  return PREFIX + Buffer.from(newSecret("")).toString("hex");
}

/** The team that a key is of; undefined: nobody's. */
export async function teamOf(tx: Queryable, key: string): Promise<string | undefined> {
  const [row] = await tx
    .select({ team: e2bKeys.team })
    .from(e2bKeys)
    .where(eq(e2bKeys.hash, digestOf(key)));
  return row?.team;
}

export async function listKeys(tx: Queryable) {
  const rows = await tx.select().from(e2bKeys).orderBy(e2bKeys.team, e2bKeys.name);
  return rows.map(({ team, name, created, createdBy }) => ({
    team,
    name,
    created: created.toISOString(),
    createdBy,
  }));
}

/** Throws NAME_TAKEN. */
export async function createKey(
  tx: Queryable,
  actor: Actor,
  { team, name }: { readonly team: string; readonly name: string },
) {
  const key = newKey();
  const hash = digestOf(key);
  const createdBy = actorText(actor);
  const [row] = await tx
    .insert(e2bKeys)
    .values({ id: hash.slice(0, 12), team, name, hash, createdBy, created: new Date() })
    .onConflictDoNothing()
    .returning();
  if (row === undefined) {
    throw new ServerError("NAME_TAKEN", `team "${team}" has a key "${name}"`);
  }
  await record(tx, actor, { action: "e2b-key.created", subject: `${team}/${name}` });
  return { team, name, created: row.created.toISOString(), createdBy, key };
}

/** Throws NO_SUCH_TOKEN. */
export async function deleteKey(
  tx: Queryable,
  actor: Actor,
  { team, name }: { readonly team: string; readonly name: string },
): Promise<void> {
  const gone = await tx
    .delete(e2bKeys)
    .where(and(eq(e2bKeys.team, team), eq(e2bKeys.name, name)))
    .returning();
  if (gone.length === 0) {
    throw new ServerError("NO_SUCH_TOKEN", `team "${team}" has no key "${name}"`);
  }
  await record(tx, actor, { action: "e2b-key.deleted", subject: `${team}/${name}` });
}

/** Access tokens of guests: derived, so that none is kept. */
export interface Tokens {
  /** What a guest's agent asks of its callers. */
  access(sandbox: string): string;
  /** What the data plane asks of callers of a sandbox whose ports are not public. */
  traffic(sandbox: string): string;
}

/** Of this store, whichever server comes first. */
export async function openTokens(db: Database): Promise<Tokens> {
  const secret = await db.transaction(async (tx) => {
    await takeLock(tx, "bootstrap");
    const [known] = await tx.select().from(e2bSecrets).where(eq(e2bSecrets.id, 1));
    if (known !== undefined) return known.secret;
    const made = newSecret("");
    await tx.insert(e2bSecrets).values({ id: 1, secret: made });
    return made;
  });
  const derive = (use: string, sandbox: string) =>
    createHmac("sha256", secret).update(`${use}\n${sandbox}`).digest("hex");
  return {
    access: (sandbox) => derive("access", sandbox),
    traffic: (sandbox) => derive("traffic", sandbox),
  };
}
