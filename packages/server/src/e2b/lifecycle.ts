/** Creating, connecting, pausing and ending sandboxes for a team. */
import { setTimeout as sleep } from "node:timers/promises";
import type { FastifyReply, FastifyRequest } from "fastify";
import { and, eq } from "drizzle-orm";
import type { FleetSandboxRequest } from "@evenkeel/api";
import type { Actor } from "../context.ts";
import { messageOf, ServerError } from "../errors.ts";
import { sendChange, wasDone } from "../http/idempotent.ts";
import { created, finished, refused, settled } from "../http/sandbox-routes.ts";
import type { Desk } from "../sandboxes/desk.ts";
import {
  chooseFor,
  pausedGuest,
  snapshotFor,
  startCreate,
  startExtend,
  startKill,
  startPause,
  startResume,
  wakeFor,
  whereOf,
  type NamedGuest,
  type Started,
} from "../sandboxes/start.ts";
import { lockSandbox, type SandboxRow } from "../sandboxes/view.ts";
import { outcomeOf } from "../sandboxes/work.ts";
import { e2bSandboxes, manifests } from "../store/schema.ts";
import type { Queryable } from "../store/store.ts";
import { E2bError, noSandbox } from "./errors.ts";
import { greetGuest, type Gate } from "./gate.ts";
import type { Tokens } from "./keys.ts";
import { requireOwn, type Own } from "./sandboxes.ts";
import type { NewSandbox } from "./schemas.ts";

export interface E2b {
  readonly desk: Desk;
  readonly gate: Gate;
  readonly tokens: Tokens;
  readonly domain: string;
  /** Resumes by traffic that are under way, or failed a moment ago, by sandbox. */
  readonly waking: Map<string, Promise<boolean>>;
}

interface Call {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
}

const WAIT_MS = 50_000;
const TRIES = 5;
/** How often a sandbox is looked at that its node pauses by itself. */
const SETTLING_MS = 250;

function endOf(seconds: number): Date {
  return new Date(Date.now() + seconds * 1000);
}

/** A template that an operator made, by its name. Paused sandboxes' snapshots are no templates. */
async function templateFor(tx: Queryable, templateID: string): Promise<NamedGuest> {
  const name = templateID.replace(/:(?:default|latest)$/, "");
  const none = new E2bError(404, `template "${name}" was not found`);
  if (/^[0-9a-f]{64}$/.test(name)) throw none;
  const guest = await snapshotFor(tx, name).catch((error: unknown) => {
    if (error instanceof ServerError && error.code === "NO_SUCH_SNAPSHOT") throw none;
    throw error;
  });
  const [manifest] = await tx
    .select({ kind: manifests.kind })
    .from(manifests)
    .where(and(eq(manifests.digest, guest.snapshot), eq(manifests.kind, "template")));
  if (manifest === undefined) throw none;
  return guest;
}

/** Throws 500 `sandbox_create_failed`; a sandbox that `isNew` is ended before. */
async function greetCreated(
  e2b: E2b,
  team: string,
  sandbox: string,
  { envVars, isNew }: { readonly envVars: Record<string, string>; readonly isNew: boolean },
): Promise<void> {
  const accessToken = e2b.tokens.access(sandbox);
  try {
    await greetGuest(e2b.gate, sandbox, { accessToken, envVars });
  } catch (error) {
    if (isNew) await end(e2b, { kind: "team", name: team }, sandbox).catch(() => undefined);
    const message = `the guest's agent did not answer: ${messageOf(error)}`;
    throw new E2bError(500, message, "sandbox_create_failed");
  }
}

export async function create(
  e2b: E2b,
  { request, reply }: Call,
  team: string,
  body: NewSandbox,
  defaultSeconds: number,
): Promise<Own> {
  const { desk } = e2b;
  const { db } = desk.context.store;
  const seconds = Math.max(1, body.timeout ?? defaultSeconds);
  const onTimeout = body.autoPause === true ? "pause" : "kill";
  const asked: FleetSandboxRequest = {
    from: body.templateID,
    timeoutSeconds: seconds,
    onTimeout,
    labels: {},
    nodeLabels: {},
  };
  const prepare = async () => {
    const guest = await templateFor(db, body.templateID);
    return { guest, choice: await chooseFor(desk, guest, whereOf(asked)) };
  };
  const prepared = (await wasDone(desk.context, request)) ? undefined : await prepare();
  let isNew = false;
  const begin = async (tx: Queryable, actor: Actor): Promise<Started> => {
    isNew = true;
    if (prepared === undefined) throw new ServerError("WRONG_STATE", "the key has just expired");
    const started = await startCreate(tx, actor, { request: asked, ...prepared });
    await tx.insert(e2bSandboxes).values({
      sandbox: started.sandbox,
      team,
      template: body.templateID,
      metadata: body.metadata ?? {},
      allowInternet: true,
      publicTraffic: body.network?.allowPublicTraffic !== false,
      autoResume: body.autoResume?.enabled === true,
      timeoutSeconds: seconds,
      started: new Date(),
      ends: endOf(seconds),
    });
    return started;
  };
  const started = await sendChange(desk.context, request, reply, 201, begin, { isNews: false });
  if (prepared !== undefined) wakeFor(desk, prepared.choice, prepared.guest.memoryMib);
  const { id, state } = await created(desk, started, asked, prepared?.guest);
  if (isNew) e2b.gate.forget(id);
  // An answer that is given again may be of a guest that nobody had greeted, and of one that has
  // worked for hours, or is paused.
  if (isNew || state === "running") {
    await greetCreated(e2b, team, id, { envVars: body.envVars ?? {}, isNew });
  }
  return await requireOwn(db, team, id);
}

async function inTransaction<T>({ desk }: E2b, work: (tx: Queryable) => Promise<T>): Promise<T> {
  return await desk.context.store.db.transaction(async (tx) => await work(tx));
}

/** Work for the node where a sandbox is, done. What `moves` or ends it ends its connections. */
async function doThere(
  e2b: E2b,
  sandbox: string,
  start: (tx: Queryable) => Promise<Started>,
  { moves = true } = {},
): Promise<void> {
  const { desk, gate } = e2b;
  const { node, started } = await inTransaction(e2b, async (tx) => {
    const row = await lockSandbox(tx, sandbox);
    return { node: row.node, started: await start(tx) };
  });
  desk.signals.wake(`node ${node}`);
  const row = await settled(desk, started);
  if (moves) gate.forget(sandbox);
  if (row.state === "failed") throw refused(row);
}

export async function end(e2b: E2b, actor: Actor, sandbox: string): Promise<void> {
  await doThere(e2b, sandbox, async (tx) => await startKill(tx, actor, sandbox));
}

export async function pause(e2b: E2b, actor: Actor, sandbox: string): Promise<void> {
  await doThere(e2b, sandbox, async (tx) => await startPause(tx, actor, sandbox));
}

async function resumeOnce(e2b: E2b, actor: Actor, sandbox: string, seconds: number): Promise<void> {
  const { desk, gate, tokens } = e2b;
  const where = { nodeLabels: {}, timeoutSeconds: seconds };
  const guest = pausedGuest(await lockSandbox(desk.context.store.db, sandbox));
  const choice = await chooseFor(desk, guest, whereOf(where));
  const started = await inTransaction(e2b, async (tx) => {
    const begun = await startResume(tx, actor, sandbox, { request: where, guest, choice });
    const now = { started: new Date(), ends: endOf(seconds), timeoutSeconds: seconds };
    await tx.update(e2bSandboxes).set(now).where(eq(e2bSandboxes.sandbox, sandbox));
    return begun;
  });
  wakeFor(desk, choice);
  await finished(desk, started);
  gate.forget(sandbox);
  const accessToken = tokens.access(sandbox);
  await greetGuest(gate, sandbox, { accessToken }).catch((error: unknown) => {
    throw new E2bError(500, `the guest's agent did not answer: ${messageOf(error)}`);
  });
}

/** False where somebody else was first: what they began is to be waited for. */
async function resumeUnlessTaken(...args: Parameters<typeof resumeOnce>): Promise<boolean> {
  try {
    await resumeOnce(...args);
    return true;
  } catch (error) {
    if (error instanceof ServerError && error.code === "WRONG_STATE") return false;
    throw error;
  }
}

function silent(sandbox: string): ServerError {
  return new ServerError("NODE_SILENT", `the node of ${sandbox} has not answered yet`);
}

/** Waits for what another has begun, here or at another server. Throws 404, NODE_SILENT. */
async function waitFor({ desk }: E2b, { id, state }: SandboxRow, work: string): Promise<void> {
  const row = await outcomeOf(desk.context, desk.signals, work, WAIT_MS).catch((error: unknown) => {
    // Its node was deleted.
    if (error instanceof ServerError && error.code === "WRONG_STATE") throw noSandbox(id);
    throw error;
  });
  if (row === undefined) throw silent(id);
  // What could not be paused runs on; what could not be resumed is not tried by each who waited.
  if (row.state === "failed" && state !== "pausing") throw refused(row);
}

/** At its end a node pauses a sandbox by itself, and says later what it resumes from. */
function isSettling({ state, snapshot, contract, work }: SandboxRow): boolean {
  const isUnsaid = snapshot === null || contract === null;
  return work === null && (state === "pausing" || (state === "paused" && isUnsaid));
}

/**
 * A sandbox that runs, resumed where it was paused. `true`: it was. Throws 404, 409, NODE_SILENT,
 * and what placement says.
 */
export async function ensureRunning(
  e2b: E2b,
  actor: Actor,
  sandbox: string,
  seconds: number,
): Promise<boolean> {
  const latest = performance.now() + WAIT_MS;
  for (let tries = 0; tries < TRIES;) {
    const row = await lockSandbox(e2b.desk.context.store.db, sandbox).catch((error: unknown) => {
      const isGone = error instanceof ServerError && error.code === "NO_SUCH_SANDBOX";
      throw isGone ? noSandbox(sandbox) : error;
    });
    if (row.state === "killing") {
      throw new E2bError(409, `sandbox ${sandbox} is being ended`, "wrong_state");
    }
    if (row.state === "running") return false;
    if (isSettling(row)) {
      if (performance.now() > latest) throw silent(sandbox);
      await sleep(SETTLING_MS);
      continue;
    }
    tries++;
    if (row.work !== null) await waitFor(e2b, row, row.work);
    else if (row.state !== "paused") throw noSandbox(sandbox);
    else if (await resumeUnlessTaken(e2b, actor, sandbox, seconds)) return true;
  }
  throw new E2bError(409, `sandbox ${sandbox} is being changed by others`, "wrong_state");
}

/** A new end, from now; an earlier one only where it is to be `exact`. */
export async function extend(
  e2b: E2b,
  sandbox: string,
  seconds: number,
  { exact }: { readonly exact: boolean },
): Promise<void> {
  const { db } = e2b.desk.context.store;
  const [own] = await db.select().from(e2bSandboxes).where(eq(e2bSandboxes.sandbox, sandbox));
  if (own === undefined) throw noSandbox(sandbox);
  const ends = endOf(seconds);
  if (!exact && own.ends >= ends) return;
  // The agents' deadlines have seconds, and one at least.
  const work = { kind: "extend", sandbox, timeoutSeconds: Math.max(1, seconds) } as const;
  const start = async (tx: Queryable) => {
    await tx.update(e2bSandboxes).set({ ends }).where(eq(e2bSandboxes.sandbox, sandbox));
    return await startExtend(tx, work);
  };
  await doThere(e2b, sandbox, start, { moves: false });
}
