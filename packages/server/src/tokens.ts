/** Operators' tokens, and the tokens that nodes join with. */
import { writeFileSync } from "node:fs";
import { and, eq, ne } from "drizzle-orm";
import type { Role } from "@evenkeel/api";
import { record } from "./audit.ts";
import { actorText, type Actor, type Context } from "./context.ts";
import { ServerError } from "./errors.ts";
import type { Labels } from "./placement/fleet.ts";
import { digestOf, newSecret } from "./secrets.ts";
import { takeLock } from "./store/locks.ts";
import { joinTokens, operatorTokens } from "./store/schema.ts";
import type { Queryable } from "./store/store.ts";

const ROLES: readonly Role[] = ["view", "operate", "override"];
const FIRST = "first";

export function allows(role: Role, needed: Role): boolean {
  return ROLES.indexOf(role) >= ROLES.indexOf(needed);
}

/** The operator who has a token; undefined: nobody. */
export async function operatorOf(tx: Queryable, token: string): Promise<Actor | undefined> {
  const [row] = await tx
    .select({ name: operatorTokens.name, role: operatorTokens.role })
    .from(operatorTokens)
    .where(eq(operatorTokens.hash, digestOf(token)));
  return row === undefined ? undefined : { kind: "token", ...row };
}

/**
 * The first operator's token of a new store, in a file: written before the store knows of it, so
 * that a crash in between leaves a token that is worth nothing, and not one that nobody has.
 * Returns whether it was made.
 */
export async function makeFirstToken({ store }: Context, file: string): Promise<boolean> {
  return await store.db.transaction(async (tx) => {
    await takeLock(tx, "bootstrap");
    const [any] = await tx.select({ name: operatorTokens.name }).from(operatorTokens).limit(1);
    if (any !== undefined) return false;
    const token = newSecret("ekt_");
    writeFileSync(file, `${token}\n`, { mode: 0o600, flush: true });
    const row = { name: FIRST, role: "override" as const, hash: digestOf(token) };
    await tx.insert(operatorTokens).values({ ...row, createdBy: "server", created: new Date() });
    await record(tx, "server", { action: "token.created", subject: FIRST });
    return true;
  });
}

export async function listTokens(tx: Queryable) {
  const rows = await tx.select().from(operatorTokens).orderBy(operatorTokens.name);
  return rows.map(({ name, role, created, createdBy }) => ({
    name,
    role,
    created: created.toISOString(),
    createdBy,
  }));
}

/** Throws FORBIDDEN where the role is above the caller's, NAME_TAKEN. */
export async function createToken(
  tx: Queryable,
  actor: Actor,
  { name, role }: { readonly name: string; readonly role: Role },
) {
  if (actor.kind !== "token" || !allows(actor.role, role)) {
    throw new ServerError("FORBIDDEN", `a token of role ${role} takes one of that role to make`);
  }
  const token = newSecret("ekt_");
  const createdBy = actorText(actor);
  const made = await tx
    .insert(operatorTokens)
    .values({ name, role, hash: digestOf(token), createdBy, created: new Date() })
    .onConflictDoNothing()
    .returning();
  const [row] = made;
  if (row === undefined) throw new ServerError("NAME_TAKEN", `there is a token "${name}"`);
  await record(tx, actor, { action: "token.created", subject: name, data: { role } });
  return { name, role, created: row.created.toISOString(), createdBy, token };
}

/** Throws NO_SUCH_TOKEN; FORBIDDEN where the token's role is above the caller's; WRONG_STATE. */
export async function deleteToken(tx: Queryable, actor: Actor, name: string): Promise<void> {
  await takeLock(tx, "bootstrap");
  const [row] = await tx.select().from(operatorTokens).where(eq(operatorTokens.name, name));
  if (row === undefined) throw new ServerError("NO_SUCH_TOKEN", `there is no token "${name}"`);
  if (actor.kind !== "token" || !allows(actor.role, row.role)) {
    throw new ServerError("FORBIDDEN", `a token of role ${row.role} takes one of it to delete`);
  }
  // One of a lesser role could not make another: what only `override` may do could be done no more.
  const [left] = await tx
    .select({ name: operatorTokens.name })
    .from(operatorTokens)
    .where(and(eq(operatorTokens.role, "override"), ne(operatorTokens.name, name)))
    .limit(1);
  if (row.role === "override" && left === undefined) {
    const message = `${name} is the last token of role override: nobody could make another`;
    throw new ServerError("WRONG_STATE", message);
  }
  await tx.delete(operatorTokens).where(eq(operatorTokens.name, name));
  await record(tx, actor, { action: "token.deleted", subject: name });
}

/** The text names the CA as well, so that the node knows whom it gives the secret to. */
export async function createJoinToken(
  { authority }: Context,
  tx: Queryable,
  actor: Actor,
  { ttlSeconds, labels }: { readonly ttlSeconds: number; readonly labels: Labels },
) {
  const secret = newSecret("");
  const hash = digestOf(secret);
  const id = hash.slice(0, 12);
  const created = new Date();
  const expires = new Date(created.getTime() + ttlSeconds * 1000);
  const createdBy = actorText(actor);
  await tx.insert(joinTokens).values({ id, hash, labels, createdBy, created, expires });
  await record(tx, actor, { action: "join-token.created", subject: id, data: { ttlSeconds } });
  return { id, token: `ekj.${secret}.${authority.digest}`, expires: expires.toISOString() };
}
