/** What operators call about sandboxes, and what nodes call about their work. */
import { FLEET_ROUTES } from "@evenkeel/api/fleet";
import type { FleetSandbox, FleetSandboxRequest } from "@evenkeel/api";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { Actor } from "../context.ts";
import { ServerError } from "../errors.ts";
import { applyList, applyResult } from "../sandboxes/answers.ts";
import type { Desk } from "../sandboxes/desk.ts";
import {
  chooseFor,
  forget,
  pausedGuest,
  requireOverride,
  snapshotFor,
  startAgain,
  startCreate,
  startKill,
  startPause,
  startResume,
  wakeFor,
  whereOf,
  type NamedGuest,
  type Started,
} from "../sandboxes/start.ts";
import { getSandbox, listSandboxes, lockSandbox } from "../sandboxes/view.ts";
import { finish, outcomeOf, requireTransfer, takeWork, type WorkRow } from "../sandboxes/work.ts";
import type { Queryable } from "../store/store.ts";
import { actorOf, nodeOf } from "./auth.ts";
import { sendChange, wasDone } from "./idempotent.ts";
import { LIST_LIMIT } from "./limits.ts";
import type { App } from "./server.ts";

/** How long a caller is kept waiting for a node. */
const WAIT_MS = 50_000;
/** Bytes of one part of an archive. */
const PART_LIMIT = 4 * 1024 * 1024;
/** Nodes that are tried where others gave their room away. */
const TRIES = 3;

interface Call {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly status: number;
}

type Start = (tx: Queryable, actor: Actor) => Promise<Started>;

/** Writes work down, once for each key, and wakes the node. */
async function begin(desk: Desk, { request, reply, status }: Call, start: Start): Promise<Started> {
  return await sendChange(desk.context, request, reply, status, start, { isNews: false });
}

/** Throws NODE_SILENT, NODE_REFUSED. */
export async function settled(desk: Desk, { work, sandbox }: Started): Promise<WorkRow> {
  const row = await outcomeOf(desk.context, desk.signals, work, WAIT_MS);
  if (row !== undefined) return row;
  throw new ServerError("NODE_SILENT", `the node of ${sandbox} has not answered yet`);
}

export function refused({ code, message }: WorkRow): ServerError {
  return new ServerError("NODE_REFUSED", `${message ?? "the node failed"} (${code ?? "?"})`);
}

/** The sandbox once its work is done. */
export async function finished(desk: Desk, started: Started): Promise<FleetSandbox> {
  const row = await settled(desk, started);
  if (row.state === "failed") throw refused(row);
  return await getSandbox(desk.context.store.db, started.sandbox);
}

/** Where the node was full, the next: heartbeats are seconds old. What became of the last. */
async function elsewhere(
  desk: Desk,
  first: WorkRow,
  {
    sandbox,
    request,
    guest,
  }: {
    readonly sandbox: string;
    readonly request: FleetSandboxRequest;
    readonly guest: NamedGuest;
  },
): Promise<WorkRow> {
  const { db } = desk.context.store;
  const tried = new Set<string>();
  let row = first;
  for (let tries = 1; tries < TRIES; tries++) {
    if (row.state !== "failed" || row.code !== "NODE_FULL") break;
    tried.add(row.node);
    const choice = await chooseFor(desk, guest, whereOf(request), tried).catch(() => undefined);
    if (choice === undefined) break;
    const again = async (tx: Queryable) =>
      await startAgain(tx, { sandbox, guest, choice, request });
    if (!(await db.transaction(again))) break;
    wakeFor(desk, choice, guest.memoryMib);
    const { work } = await lockSandbox(db, sandbox);
    if (work === null) break;
    row = await settled(desk, { sandbox, work });
  }
  return row;
}

/** The sandbox that was created; one that no node took never was. */
export async function created(
  desk: Desk,
  started: Started,
  request: FleetSandboxRequest,
  guest: NamedGuest | undefined,
): Promise<FleetSandbox> {
  const { db } = desk.context.store;
  const { sandbox } = started;
  const first = await settled(desk, started);
  const isBound = guest === undefined || request.node !== undefined;
  const row = isBound ? first : await elsewhere(desk, first, { sandbox, request, guest });
  if (row.state === "failed") {
    await forget(db, sandbox);
    // Asked again with the same key: another node may have taken it since.
    const taken = await getSandbox(db, sandbox).catch(() => undefined);
    if (taken === undefined) throw refused(row);
    return taken;
  }
  return await getSandbox(db, sandbox);
}

function addStarting(app: App, desk: Desk): void {
  const { context } = desk;
  const { db } = context.store;
  app.route({
    ...FLEET_ROUTES.createSandbox,
    handler: async (request, reply) => {
      const { body } = request;
      requireOverride(actorOf(request), body.override);
      const prepare = async () => {
        const guest = await snapshotFor(db, body.from);
        return { guest, choice: await chooseFor(desk, guest, whereOf(body)) };
      };
      const prepared = (await wasDone(context, request)) ? undefined : await prepare();
      const started = await begin(desk, { request, reply, status: 201 }, async (tx, actor) => {
        if (prepared === undefined)
          throw new ServerError("WRONG_STATE", "the key has just expired");
        return await startCreate(tx, actor, { request: body, ...prepared });
      });
      if (prepared !== undefined) wakeFor(desk, prepared.choice, prepared.guest.memoryMib);
      return await created(desk, started, body, prepared?.guest);
    },
  });
  app.route({
    ...FLEET_ROUTES.resumeSandbox,
    handler: async (request, reply) => {
      const { body, params } = request;
      requireOverride(actorOf(request), body.override);
      const prepare = async () => {
        const guest = pausedGuest(await lockSandbox(db, params.id));
        return { guest, choice: await chooseFor(desk, guest, whereOf(body)) };
      };
      const prepared = (await wasDone(context, request)) ? undefined : await prepare();
      const started = await begin(desk, { request, reply, status: 200 }, async (tx, actor) => {
        if (prepared === undefined)
          throw new ServerError("WRONG_STATE", "the key has just expired");
        return await startResume(tx, actor, params.id, { request: body, ...prepared });
      });
      if (prepared !== undefined) wakeFor(desk, prepared.choice);
      return await finished(desk, started);
    },
  });
}

async function wakeHolder(desk: Desk, { sandbox }: Started): Promise<void> {
  const { db } = desk.context.store;
  const row = await lockSandbox(db, sandbox).catch(() => undefined);
  if (row !== undefined) desk.signals.wake(`node ${row.node}`);
}

function addEnding(app: App, desk: Desk): void {
  const { db } = desk.context.store;
  app.route({
    ...FLEET_ROUTES.pauseSandbox,
    handler: async (request, reply) => {
      const start: Start = async (tx, actor) => await startPause(tx, actor, request.params.id);
      const started = await begin(desk, { request, reply, status: 200 }, start);
      await wakeHolder(desk, started);
      return await finished(desk, started);
    },
  });
  app.route({
    ...FLEET_ROUTES.killSandbox,
    handler: async (request, reply) => {
      const start: Start = async (tx, actor) => await startKill(tx, actor, request.params.id);
      const started = await begin(desk, { request, reply, status: 204 }, start);
      await wakeHolder(desk, started);
      const row = await settled(desk, started);
      if (row.state === "failed") throw refused(row);
      return null;
    },
  });
  app.route({
    ...FLEET_ROUTES.listSandboxes,
    handler: async () => ({ sandboxes: await listSandboxes(db) }),
  });
  app.route({
    ...FLEET_ROUTES.getSandbox,
    handler: async ({ params }) => await getSandbox(db, params.id),
  });
}

function addWork(app: App, desk: Desk): void {
  const { context, signals, transfers } = desk;
  const { db } = context.store;
  app.route({
    ...FLEET_ROUTES.fetchWork,
    bodyLimit: LIST_LIMIT,
    handler: async (request) => {
      const node = nodeOf(request);
      const { running, sandboxes } = request.body;
      const list = async (tx: Queryable) => await applyList(tx, node, sandboxes ?? []);
      const contracts = sandboxes === undefined ? [] : await db.transaction(list);
      // What is lacking is not waited for with work that may never come.
      const waits = contracts.length === 0;
      return { work: await takeWork(context, signals, node.id, running, waits), contracts };
    },
  });
  app.route({
    ...FLEET_ROUTES.finishWork,
    handler: async (request, reply) => {
      const node = nodeOf(request);
      const { params, body } = request;
      await db.transaction(async (tx) => {
        const row = await finish(tx, node.id, params.id, body);
        if (row !== undefined) await applyResult(tx, row, body);
      });
      if (body.error !== undefined) transfers.fail(params.id, body.error.message);
      signals.wake(`work ${params.id}`);
      return reply.code(204).send(null);
    },
  });
}

function addTransfers(app: App, desk: Desk): void {
  const { transfers, context } = desk;
  const { db } = context.store;
  app.addContentTypeParser(
    "application/octet-stream",
    { parseAs: "buffer", bodyLimit: PART_LIMIT },
    (_request, body, done) => done(null, body),
  );
  app.route({
    ...FLEET_ROUTES.sendPart,
    config: { ...FLEET_ROUTES.sendPart.config, isAskedFor: true },
    bodyLimit: PART_LIMIT,
    handler: async (request, reply) => {
      const { id, part } = request.params;
      await requireTransfer(db, id, nodeOf(request).id, "send");
      const { body }: { body: unknown } = request;
      if (!Buffer.isBuffer(body)) {
        throw new ServerError("WRONG_MEDIA_TYPE", "a part is application/octet-stream");
      }
      await transfers.put(id, part, body, request.query.last === "true");
      return reply.code(204).send(null);
    },
  });
  app.route({
    ...FLEET_ROUTES.fetchParts,
    handler: async (request, reply) => {
      const { id } = request.params;
      await requireTransfer(db, id, nodeOf(request).id, "fetch");
      reply.type("application/octet-stream");
      // The type provider knows of bodies that are data; Fastify pipes a stream.
      return reply.send(transfers.fetch(id) as unknown as string);
    },
  });
}

export function addSandboxRoutes(app: App, desk: Desk): void {
  addStarting(app, desk);
  addEnding(app, desk);
  addWork(app, desk);
  addTransfers(app, desk);
}
