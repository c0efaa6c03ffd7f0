/** What operators ask of sandboxes, written down as work for their nodes. */
import { randomBytes } from "node:crypto";
import { and, eq, isNull, sql } from "drizzle-orm";
import type { FleetResumeRequest, FleetSandboxRequest, WorkBody } from "@evenkeel/api";
import { record } from "../audit.ts";
import { actorText, type Actor } from "../context.ts";
import { ServerError } from "../errors.ts";
import { heldAs } from "../placement/answer.ts";
import { heldSnapshots, sandboxes } from "../store/schema.ts";
import type { Queryable } from "../store/store.ts";
import { choose, type Choice, type Guest, type Where } from "./choose.ts";
import type { Desk } from "./desk.ts";
import { lockSandbox, type SandboxRow } from "./view.ts";
import { enqueue, newWorkId } from "./work.ts";

/** What was written down: kept as the answer to the request's key. */
export interface Started {
  readonly sandbox: string;
  readonly work: string;
}

/** A guest, and what its snapshot is called. */
export interface NamedGuest extends Guest {
  readonly name: string;
}

/** Throws NO_SUCH_SNAPSHOT, WRONG_STATE where a name stands for several. */
export async function snapshotFor(tx: Queryable, from: string): Promise<NamedGuest> {
  const isDigest = /^[0-9a-f]{64}$/.test(from);
  const rows = await tx
    .selectDistinct({ digest: heldSnapshots.digest, name: heldSnapshots.name })
    .from(heldSnapshots)
    .where(eq(isDigest ? heldSnapshots.digest : heldSnapshots.name, from))
    .orderBy(heldSnapshots.name);
  const [first] = rows;
  if (first === undefined) {
    throw new ServerError("NO_SUCH_SNAPSHOT", `no node holds a snapshot ${from}`);
  }
  if (rows.some(({ digest }) => digest !== first.digest)) {
    const message = `nodes hold several snapshots called ${from}: name one by its digest`;
    throw new ServerError("WRONG_STATE", message);
  }
  return { ...(await heldAs(tx, first.digest)), snapshot: first.digest, name: first.name };
}

/** Throws FORBIDDEN. */
export function requireOverride(actor: Actor, override: object | undefined): void {
  if (override === undefined) return;
  if (actor.kind === "token" && actor.role === "override") return;
  throw new ServerError("FORBIDDEN", "going against a verdict takes a token of role override");
}

export function whereOf(request: FleetResumeRequest | FleetSandboxRequest): Where {
  const { node, pool, nodeLabels, override } = request;
  return { node, pool, nodeLabels, override: override !== undefined };
}

type Create = Extract<WorkBody, { kind: "create" }>;

/** Work of a node that boots a guest from a snapshot, and of the one that sends it the files. */
async function enqueueCreate(
  tx: Queryable,
  { node, source }: Choice,
  body: Omit<Create, "kind" | "transfer">,
): Promise<string> {
  const transfer = source === undefined ? null : newWorkId();
  if (transfer !== null && source !== undefined) {
    const send = { kind: "send", snapshot: body.snapshot, to: node.id } as const;
    await enqueue(tx, { id: transfer, node: source, body: send });
  }
  const create = { kind: "create", transfer, ...body } as const;
  return await enqueue(tx, { node: node.id, sandbox: body.sandbox, body: create });
}

function newSandboxId(): string {
  return `s${randomBytes(8).toString("hex")}`;
}

export async function startCreate(
  tx: Queryable,
  actor: Actor,
  {
    request,
    guest,
    choice,
  }: {
    readonly request: FleetSandboxRequest;
    readonly guest: NamedGuest;
    readonly choice: Choice;
  },
): Promise<Started> {
  const { onTimeout, labels, timeoutSeconds, override } = request;
  const { snapshot, name, contract, memoryMib } = guest;
  const sandbox = newSandboxId();
  const facts = { sandbox, snapshot, name, onTimeout, labels, timeoutSeconds, override };
  const work = await enqueueCreate(tx, choice, facts);
  const [node, createdBy] = [choice.node.id, actorText(actor)];
  const row = { id: sandbox, node, state: "creating" as const, work, from: snapshot, contract };
  const times = { created: sql`now()`, updated: sql`now()` };
  await tx.insert(sandboxes).values({ ...row, memoryMib, onTimeout, labels, createdBy, ...times });
  const data = { node: choice.node.name, from: snapshot, ...(override ? { override } : {}) };
  await record(tx, actor, { action: "sandbox.created", subject: sandbox, data });
  return { sandbox, work };
}

/** Throws WRONG_STATE. */
function requireIdle(
  { id, state, work }: SandboxRow,
  wanted: readonly SandboxRow["state"][],
): void {
  if (work !== null) throw new ServerError("WRONG_STATE", `sandbox ${id} is ${state}: wait for it`);
  if (wanted.includes(state)) return;
  throw new ServerError("WRONG_STATE", `sandbox ${id} is ${state}, not ${wanted.join(" or ")}`);
}

async function note(
  tx: Queryable,
  id: string,
  change: Partial<typeof sandboxes.$inferInsert>,
): Promise<void> {
  await tx
    .update(sandboxes)
    .set({ error: null, ...change, updated: sql`now()` })
    .where(eq(sandboxes.id, id));
}

/** What is done to a sandbox where it is. */
const HERE = {
  pause: { from: ["running"], state: "pausing", action: "sandbox.paused" },
  kill: { from: ["running", "paused", "failed"], state: "killing", action: "sandbox.killed" },
} as const;

async function startHere(
  tx: Queryable,
  actor: Actor,
  sandbox: string,
  kind: keyof typeof HERE,
): Promise<Started> {
  const { from, state, action } = HERE[kind];
  const row = await lockSandbox(tx, sandbox);
  requireIdle(row, from);
  const work = await enqueue(tx, { node: row.node, sandbox, body: { kind, sandbox } });
  await note(tx, sandbox, { state, work });
  await record(tx, actor, { action, subject: sandbox });
  return { sandbox, work };
}

/** Throws NO_SUCH_SANDBOX, WRONG_STATE. */
export async function startPause(tx: Queryable, actor: Actor, id: string): Promise<Started> {
  return await startHere(tx, actor, id, "pause");
}

/** Throws NO_SUCH_SANDBOX, WRONG_STATE. */
export async function startKill(tx: Queryable, actor: Actor, id: string): Promise<Started> {
  return await startHere(tx, actor, id, "kill");
}

/** The guest that a paused sandbox is; throws WRONG_STATE. */
export function pausedGuest(row: SandboxRow): NamedGuest {
  requireIdle(row, ["paused"]);
  const { id, node: at, snapshot, contract, memoryMib } = row;
  if (snapshot !== null && contract !== null) {
    return { contract, snapshot, memoryMib, at, name: `${id}.moved` };
  }
  throw new ServerError("WRONG_STATE", `its node has not said yet what sandbox ${id} resumes from`);
}

/** Of the guest that was chosen for. Throws NO_SUCH_SANDBOX, WRONG_STATE. */
export async function startResume(
  tx: Queryable,
  actor: Actor,
  id: string,
  {
    request,
    guest,
    choice,
  }: {
    readonly request: Pick<FleetResumeRequest, "timeoutSeconds" | "override">;
    readonly guest: NamedGuest;
    readonly choice: Choice;
  },
): Promise<Started> {
  const row = await lockSandbox(tx, id);
  const { snapshot, name, at } = pausedGuest(row);
  if (snapshot !== guest.snapshot || at !== guest.at) {
    // It ran in between, and what was paused since may need another CPU.
    throw new ServerError("WRONG_STATE", `sandbox ${id} was paused anew meanwhile`);
  }
  const { timeoutSeconds, override } = request;
  const { onTimeout, labels } = row;
  const facts = { sandbox: id, timeoutSeconds, override };
  const work =
    choice.node.id === row.node
      ? await enqueue(tx, { node: row.node, sandbox: id, body: { kind: "resume", ...facts } })
      : await enqueueCreate(tx, choice, { ...facts, snapshot, name, onTimeout, labels });
  await note(tx, id, { state: "resuming", work });
  const data = { node: choice.node.name, ...(override ? { override } : {}) };
  await record(tx, actor, { action: "sandbox.resumed", subject: id, data });
  return { sandbox: id, work };
}

/** A node was full after all: the next one. False where the sandbox is not waiting for one. */
export async function startAgain(
  tx: Queryable,
  {
    sandbox,
    guest,
    choice,
    request,
  }: {
    readonly sandbox: string;
    readonly guest: NamedGuest;
    readonly choice: Choice;
    readonly request: FleetSandboxRequest;
  },
): Promise<boolean> {
  const row = await lockSandbox(tx, sandbox);
  if (row.state !== "failed" || row.work !== null) return false;
  const { onTimeout, labels, timeoutSeconds } = request;
  const { snapshot, name } = guest;
  const facts = { sandbox, snapshot, name, onTimeout, labels, timeoutSeconds };
  const work = await enqueueCreate(tx, choice, facts);
  await note(tx, sandbox, { state: "creating", node: choice.node.id, work });
  return true;
}

/** Those who may wait for something to do. */
export function wakeFor({ signals, reservations }: Desk, { node, source }: Choice, memoryMib = 0) {
  if (memoryMib > 0) reservations.add(node.id, memoryMib);
  for (const id of [node.id, source]) if (id !== undefined) signals.wake(`node ${id}`);
}

/** Throws NO_NODE, NO_FILES, NO_SUCH_NODE. */
export async function chooseFor(
  { context, reservations }: Desk,
  guest: Guest,
  where: Where,
  excluded?: ReadonlySet<string>,
): Promise<Choice> {
  return await choose(context, reservations, guest, where, excluded);
}

/** Removes what never was: no node is at it, and the last one could not. */
export async function forget(tx: Queryable, id: string): Promise<void> {
  const never = and(eq(sandboxes.state, "failed"), isNull(sandboxes.work));
  await tx.delete(sandboxes).where(and(eq(sandboxes.id, id), never));
}

/** A running sandbox's new deadline; its state stays. Throws NO_SUCH_SANDBOX, WRONG_STATE. */
export async function startExtend(
  tx: Queryable,
  body: Extract<WorkBody, { kind: "extend" }>,
): Promise<Started> {
  const { sandbox } = body;
  const { node, state } = await lockSandbox(tx, sandbox);
  if (state !== "running") {
    throw new ServerError("WRONG_STATE", `sandbox ${sandbox} is ${state}, not running`);
  }
  return { sandbox, work: await enqueue(tx, { node, sandbox, body }) };
}
