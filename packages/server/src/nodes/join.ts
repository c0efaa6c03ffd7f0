/**
 * Joining. The token is used by the transaction that makes the node. An agent that never heard the
 * answer asks again with the same token and key, and gets the same node: nobody else has the key.
 */
import { eq, sql } from "drizzle-orm";
import type { Certificate } from "@evenkeel/api";
import { record } from "../audit.ts";
import type { Context } from "../context.ts";
import { readProfileJson, type ReadProfile } from "../documents.ts";
import { ServerError } from "../errors.ts";
import { digestOf, newNodeId } from "../secrets.ts";
import { formerNodes, joinTokens, nodes } from "../store/schema.ts";
import type { Queryable } from "../store/store.ts";
import { keyOfRequest } from "../tls/authority.ts";
import type { Labels } from "../placement/fleet.ts";
import { keepChange } from "./history.ts";
import { judgeChange } from "./judge-change.ts";
import { admitLabels } from "./membership.ts";
import { keepProfile } from "./profiles.ts";

interface JoinRequest {
  readonly secret: string;
  readonly csr: string;
  readonly profile: Readonly<Record<string, unknown>>;
}

/** Names become names of files on nodes and arguments of commands. */
const NAME = /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?$/;
/** Of a list of snapshots that nobody has sent. */
const NOTHING_REPORTED = "";

type TokenRow = typeof joinTokens.$inferSelect;

/** Throws BAD_JOIN_TOKEN; nobody else can use the token until the transaction ends. */
async function takeToken(tx: Queryable, secret: string): Promise<TokenRow> {
  const [token] = await tx
    .select()
    .from(joinTokens)
    .where(eq(joinTokens.hash, digestOf(secret)))
    .for("update");
  if (token === undefined) throw new ServerError("BAD_JOIN_TOKEN", "there is no such join token");
  if (token.expires.getTime() > Date.now()) return token;
  throw new ServerError("BAD_JOIN_TOKEN", `the join token expired ${token.expires.toISOString()}`);
}

async function requireToken(db: Queryable, secret: string): Promise<void> {
  const hash = digestOf(secret);
  const [known] = await db
    .select({ id: joinTokens.id })
    .from(joinTokens)
    .where(eq(joinTokens.hash, hash));
  if (known === undefined) throw new ServerError("BAD_JOIN_TOKEN", "there is no such join token");
}

/** The node that this key made of this token before; throws BAD_JOIN_TOKEN. */
async function sameNode(tx: Queryable, token: TokenRow, key: string): Promise<string | undefined> {
  if (token.node === null) return undefined;
  if (token.key !== key) throw new ServerError("BAD_JOIN_TOKEN", "the join token was used before");
  const [node] = await tx.select({ id: nodes.id }).from(nodes).where(eq(nodes.id, token.node));
  if (node !== undefined) return node.id;
  throw new ServerError("BAD_JOIN_TOKEN", "the node that used this join token was deleted");
}

async function requireFreeName(tx: Queryable, name: string): Promise<void> {
  if (!NAME.test(name)) {
    const message = "must be 1 to 64 of A-Z a-z 0-9 . _ -, beginning and ending alphanumeric";
    throw new ServerError("BAD_REQUEST", `profile.name: ${message}`);
  }
  const [taken] = await tx.select({ id: nodes.id }).from(nodes).where(eq(nodes.name, name));
  if (taken === undefined) return;
  throw new ServerError("NAME_TAKEN", `${name} is ${taken.id} already`);
}

/** A node of a name that was deleted goes on where that one was: held if it has changed since. */
async function formerNode(tx: Queryable, name: string, labels: Labels, read: ReadProfile) {
  const [former] = await tx.delete(formerNodes).where(eq(formerNodes.name, name)).returning();
  if (former === undefined) {
    return { baseline: read.digest, held: null, cordoned: false, drift: null };
  }
  const { baseline, cordoned } = former;
  const { drift, held } = await judgeChange(tx, { labels, baseline }, read.profile);
  return {
    baseline: held === undefined ? read.digest : baseline,
    held: held ?? null,
    cordoned,
    drift: drift.outcome,
  };
}

async function addNode(
  tx: Queryable,
  { index }: Context,
  { id, read, token, expires }: { id: string; read: ReadProfile; token: TokenRow; expires: Date },
): Promise<void> {
  const { name } = read.profile;
  // Names of two that join at once are looked at one after the other, under the lock of pools.
  await admitLabels(tx, name, token.labels);
  await requireFreeName(tx, name);
  const variant = await keepProfile(tx, index, read);
  const former = await formerNode(tx, name, token.labels, read);
  const { baseline, held, cordoned } = former;
  await tx.insert(nodes).values({
    id,
    name,
    labels: token.labels,
    joined: sql`now()`,
    seen: sql`now()`,
    profile: read.digest,
    baseline,
    held,
    variant,
    cordoned,
    // Nothing fits until its first heartbeat.
    capacity: { sandboxes: 0, maxSandboxes: 0, memoryMib: 0, maxMemoryMib: 0 },
    snapshots: NOTHING_REPORTED,
    certificateExpires: expires,
  });
  const reasons = held === null ? [] : [held];
  await keepChange(tx, { node: id, profile: read.digest, drift: former.drift, reasons });
}

/** Throws BAD_JOIN_TOKEN, BAD_CSR, BAD_REQUEST, NAME_TAKEN, POOLS_OVERLAP. */
export async function join(context: Context, request: JoinRequest): Promise<Certificate> {
  const { store, authority } = context;
  // First of all, since anybody can ask: profiles and keys are work.
  await requireToken(store.db, request.secret);
  const read = readProfileJson(request.profile);
  const key = await keyOfRequest(request.csr);
  return await store.db.transaction(async (tx) => {
    const token = await takeToken(tx, request.secret);
    const again = await sameNode(tx, token, key);
    const id = again ?? newNodeId();
    const { certificate, expires } = await authority.issueForNode(id, request.csr);
    if (again === undefined) {
      await addNode(tx, context, { id, read, token, expires });
      await tx.update(joinTokens).set({ node: id, key }).where(eq(joinTokens.id, token.id));
      const { name } = read.profile;
      await record(
        tx,
        { kind: "node", id, name },
        {
          action: "node.joined",
          subject: name,
          data: { id, token: token.id },
        },
      );
    } else {
      await tx.update(nodes).set({ certificateExpires: expires }).where(eq(nodes.id, id));
    }
    return { node: id, certificate, ca: authority.certificate, expires: expires.toISOString() };
  });
}

/** Another certificate for a node that has one; throws BAD_CSR. */
export async function renew(context: Context, node: string, csr: string): Promise<Certificate> {
  const { store, authority } = context;
  const { certificate, expires } = await authority.issueForNode(node, csr);
  await store.db.update(nodes).set({ certificateExpires: expires }).where(eq(nodes.id, node));
  return { node, certificate, ca: authority.certificate, expires: expires.toISOString() };
}
