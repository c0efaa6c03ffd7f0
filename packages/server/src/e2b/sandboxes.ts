/** Sandboxes as E2B's API has them: the fleet's, of a team, with what only that API knows. */
import { and, asc, desc, eq, gt, inArray, lt, or, sql, type SQL } from "drizzle-orm";
import { contracts, e2bSandboxes, manifests, sandboxes } from "../store/schema.ts";
import type { Queryable } from "../store/store.ts";
import type { SandboxRow } from "../sandboxes/view.ts";
import { E2bError, noSandbox } from "./errors.ts";
import type { ListQuery } from "./schemas.ts";

/** What this server's guests' agents have at least: it passes the gates of today's SDKs. */
const ENVD_VERSION = "0.6.4";
/** Deprecated, and required: E2B's servers answer one constant. */
const CLIENT_ID = "evenkeel";

export interface Own {
  readonly row: SandboxRow;
  readonly own: typeof e2bSandboxes.$inferSelect;
  readonly vcpus: number;
  readonly bytes: number | null;
}

function query(tx: Queryable) {
  return tx
    .select({
      row: sandboxes,
      own: e2bSandboxes,
      contract: contracts.contract,
      bytes: manifests.bytes,
    })
    .from(sandboxes)
    .innerJoin(e2bSandboxes, eq(e2bSandboxes.sandbox, sandboxes.id))
    .leftJoin(contracts, eq(contracts.digest, sandboxes.contract))
    .leftJoin(manifests, eq(manifests.digest, sandboxes.from));
}

type Found = Awaited<ReturnType<typeof query>>[number];

function readOwn({ row, own, contract, bytes }: Found): Own {
  const { vcpus = 0 } = contract === null ? {} : (JSON.parse(contract) as { vcpus?: number });
  return { row, own, vcpus, bytes };
}

/** Nobody's but the team's: to others it is not there. Throws 404. */
export async function requireOwn(tx: Queryable, team: string, id: string): Promise<Own> {
  const [found] = await query(tx).where(and(eq(sandboxes.id, id), eq(e2bSandboxes.team, team)));
  if (found === undefined || found.row.state === "failed") throw noSandbox(id);
  return readOwn(found);
}

/** What E2B has two states for. */
export function stateOf({ state }: SandboxRow): "running" | "paused" {
  return state === "paused" || state === "resuming" ? "paused" : "running";
}

export function detailOf({ row, own, vcpus, bytes }: Own, domain: string) {
  const { id, memoryMib, onTimeout } = row;
  const disk = Math.max(0, Math.ceil((bytes ?? 0) / 1024 / 1024) - memoryMib);
  return {
    sandboxID: id,
    templateID: own.template,
    alias: own.template,
    clientID: CLIENT_ID,
    startedAt: own.started.toISOString(),
    endAt: own.ends.toISOString(),
    envdVersion: ENVD_VERSION,
    domain,
    cpuCount: vcpus,
    memoryMB: memoryMib,
    diskSizeMB: disk,
    metadata: own.metadata,
    state: stateOf(row),
    allowInternetAccess: own.allowInternet,
    network: { allowPublicTraffic: own.publicTraffic },
    lifecycle: { onTimeout, autoResume: own.autoResume },
    volumeMounts: [],
  };
}

/** The answer to what creates or connects. */
export function accessOf(
  { row, own }: Own,
  domain: string,
  tokens: { readonly access: string; readonly traffic: string },
) {
  return {
    sandboxID: row.id,
    templateID: own.template,
    alias: own.template,
    clientID: CLIENT_ID,
    envdVersion: ENVD_VERSION,
    envdAccessToken: tokens.access,
    ...(own.publicTraffic ? {} : { trafficAccessToken: tokens.traffic }),
    domain,
  };
}

const STATES = {
  running: ["running", "pausing"],
  paused: ["paused", "resuming"],
} as const;

function statesIn(text: string | undefined) {
  const names = text === undefined || text === "" ? Object.keys(STATES) : text.split(",");
  return names.flatMap((name) => {
    if (name === "running" || name === "paused") return [...STATES[name]];
    throw new E2bError(400, `state: "${name.slice(0, 20)}" is neither running nor paused`);
  });
}

/** SDKs encode each key and value, and then the whole again. */
function metadataIn(text: string): Record<string, string> {
  const decode = (part: string) => {
    try {
      return decodeURIComponent(part);
    } catch {
      throw new E2bError(400, "metadata: is not URI-encoded");
    }
  };
  const pairs = [...new URLSearchParams(text)];
  return Object.fromEntries(pairs.map(([key, value]) => [decode(key), decode(value)]));
}

/** A page begins after the sandbox that the last one ended with. */
function tokenFor({ own }: Own): string {
  return Buffer.from(`${own.started.toISOString()} ${own.sandbox}`).toString("base64url");
}

function afterToken(token: string, descending: boolean): SQL | undefined {
  const [time = "", id = ""] = Buffer.from(token, "base64url").toString("utf8").split(" ");
  const at = new Date(time);
  if (Number.isNaN(at.getTime()) || id === "") throw new E2bError(400, "nextToken: is not ours");
  const { started, sandbox } = e2bSandboxes;
  const beyond = descending ? lt : gt;
  return or(beyond(started, at), and(eq(started, at), beyond(sandbox, id)));
}

export interface Page {
  readonly sandboxes: readonly Own[];
  readonly next: string | undefined;
  readonly running: number;
}

export async function listOwn(tx: Queryable, team: string, asked: ListQuery): Promise<Page> {
  const { metadata, template, startedAfter, nextToken, limit } = asked;
  const { started, sandbox } = e2bSandboxes;
  const descending = asked.order !== "asc";
  const sort = descending ? desc : asc;
  const mine = eq(e2bSandboxes.team, team);
  const isLike =
    metadata === undefined || metadata === ""
      ? undefined
      : sql`${e2bSandboxes.metadata} @> ${JSON.stringify(metadataIn(metadata))}::jsonb`;
  const rows = await query(tx)
    .where(
      and(
        mine,
        inArray(sandboxes.state, statesIn(asked.state)),
        isLike,
        template === undefined ? undefined : eq(e2bSandboxes.template, template),
        startedAfter === undefined ? undefined : gt(started, new Date(startedAfter)),
        nextToken === undefined || nextToken === "" ? undefined : afterToken(nextToken, descending),
      ),
    )
    .orderBy(sort(started), sort(sandbox))
    .limit(limit + 1);
  const page = rows.slice(0, limit).map(readOwn);
  const last = page.at(-1);
  const [count] = await tx
    .select({ running: sql<number>`count(*)::integer` })
    .from(sandboxes)
    .innerJoin(e2bSandboxes, eq(sandbox, sandboxes.id))
    .where(and(mine, inArray(sandboxes.state, [...STATES.running])));
  return {
    sandboxes: page,
    next: rows.length > limit && last !== undefined ? tokenFor(last) : undefined,
    running: count?.running ?? 0,
  };
}
