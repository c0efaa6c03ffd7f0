/**
 * Manifests of snapshots. The digest of a manifest is the snapshot's identity, so that what it says
 * is true whoever brings it, and nobody can give a snapshot another contract.
 */
import { CoreError, parseJson } from "@evenkeel/core";
import { HeldSnapshot } from "@evenkeel/api/fleet";
import { eq, inArray, sql } from "drizzle-orm";
import { z } from "zod";
import { ServerError } from "../errors.ts";
import { digestOf } from "../secrets.ts";
import { contracts, manifests } from "../store/schema.ts";
import type { Queryable } from "../store/store.ts";

/** Of one node; a list of snapshots has fewer. */
const MOST_MANIFESTS = 50_000;
/** Rows of one statement. */
const CHUNK = 5000;

const Facts = z.object({
  schema: z.literal("evenkeel/snapshot-manifest@1"),
  ...HeldSnapshot.pick({
    kind: true,
    contract: true,
    memoryMib: true,
    created: true,
    parent: true,
  }).shape,
  files: z.array(z.object({ bytes: z.int().min(0) })).max(64),
});

interface Manifest extends Omit<z.infer<typeof Facts>, "schema" | "files"> {
  readonly digest: string;
  readonly bytes: number;
}

/** Throws BAD_REQUEST. */
function readManifest(text: string, at: number): Manifest {
  const refuse = (why: string) => new ServerError("BAD_REQUEST", `manifests[${at}]: ${why}`);
  let json: unknown;
  try {
    json = parseJson(text);
  } catch (error) {
    if (error instanceof CoreError) throw refuse(error.message);
    throw error;
  }
  const parsed = Facts.safeParse(json);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw refuse(`${issue?.path.join(".") ?? ""}: ${issue?.message ?? "is wrong"}`);
  }
  const { schema: _schema, files, ...facts } = parsed.data;
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  if (!Number.isSafeInteger(bytes)) throw refuse("its files are too large");
  return { ...facts, digest: digestOf(text), bytes };
}

async function requireRoom(tx: Queryable, reportedBy: string, more: number): Promise<void> {
  const [row] = await tx
    .select({ count: sql<string>`count(*)` })
    .from(manifests)
    .where(eq(manifests.reportedBy, reportedBy));
  if (Number(row?.count ?? 0) + more <= MOST_MANIFESTS) return;
  throw new ServerError("TOO_MANY", `${reportedBy} has reported ${MOST_MANIFESTS} manifests`);
}

async function requireContracts(tx: Queryable, read: readonly Manifest[]): Promise<void> {
  const wanted = [...new Set(read.map(({ contract }) => contract))];
  const rows = await tx
    .select({ digest: contracts.digest })
    .from(contracts)
    .where(inArray(contracts.digest, wanted));
  const known = new Set(rows.map(({ digest }) => digest));
  const lacking = wanted.find((digest) => !known.has(digest));
  if (lacking === undefined) return;
  throw new ServerError("BAD_REQUEST", `contract ${lacking} has to be reported before`);
}

/** Throws BAD_REQUEST, TOO_MANY. Returns digests. */
export async function keepManifests(
  tx: Queryable,
  reportedBy: string,
  texts: readonly string[],
): Promise<string[]> {
  const read = texts.map(readManifest);
  await requireRoom(tx, reportedBy, read.length);
  await requireContracts(tx, read);
  const rows = read.map(({ parent = null, created, ...facts }) => ({
    ...facts,
    parent,
    created: new Date(created),
    reportedBy,
  }));
  await tx.insert(manifests).values(rows).onConflictDoNothing();
  return read.map(({ digest }) => digest);
}

type Held = z.infer<typeof HeldSnapshot>;

/** Whether a node says of a snapshot what its manifest says. */
function isAs(held: Held, row: typeof manifests.$inferSelect): boolean {
  return (
    held.kind === row.kind &&
    held.contract === row.contract &&
    held.memoryMib === row.memoryMib &&
    held.bytes === row.bytes &&
    (held.parent ?? null) === row.parent
  );
}

/** Snapshots of a list whose manifests are not here. Throws BAD_REQUEST where some say otherwise. */
export async function missingManifests(tx: Queryable, list: readonly Held[]): Promise<string[]> {
  const missing: string[] = [];
  for (let i = 0; i < list.length; i += CHUNK) {
    const part = list.slice(i, i + CHUNK);
    const rows = await tx
      .select()
      .from(manifests)
      .where(inArray(manifests.digest, [...new Set(part.map(({ digest }) => digest))]));
    const known = new Map(rows.map((row) => [row.digest, row]));
    for (const held of part) {
      const row = known.get(held.digest);
      if (row === undefined) missing.push(held.digest);
      else if (!isAs(held, row)) {
        const message = `snapshot ${held.digest} is not what its manifest says`;
        throw new ServerError("BAD_REQUEST", message);
      }
    }
  }
  return [...new Set(missing)];
}

/** Forgets what a node reported and nobody holds. */
export async function dropManifests(tx: Queryable, reportedBy: string): Promise<void> {
  await tx.execute(sql`
    delete from manifests m where m.reported_by = ${reportedBy}
      and not exists (select 1 from held_snapshots h where h.digest = m.digest)`);
}
