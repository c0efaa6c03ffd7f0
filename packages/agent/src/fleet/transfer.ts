/** Snapshots between this node and another, through the fleet's server. */
import { Agent, request, type RequestOptions } from "node:https";
import type { IncomingMessage } from "node:http";
import type { SnapshotMetadata } from "@evenkeel/api";
import type { Context } from "../sandboxes/context.ts";
import { AgentError, messageOf } from "../errors.ts";
import { exportSnapshot } from "../store/export.ts";
import { importSnapshot } from "../store/import.ts";
import type { Snapshot } from "../store/snapshot-files.ts";
import type { Credentials } from "./client.ts";

/** Bytes of a part: few requests, and little memory at the server. */
const PART = 3 * 1024 * 1024;
/** The other node may be slow; the server gives up earlier. */
const PATIENCE_MS = 90_000;

export interface Server {
  readonly url: string;
  readonly credentials: Credentials;
}

/** One connection, for as long as a transfer takes. */
function connection({ credentials }: Server): Agent {
  const { ca, certificate: cert, key } = credentials;
  return new Agent({ ca, cert, key, maxCachedSessions: 0, keepAlive: true, maxSockets: 1 });
}

function answerTo(
  url: string,
  path: string,
  options: RequestOptions,
  body?: Buffer,
): Promise<IncomingMessage> {
  return new Promise((settle, fail) => {
    const sent = request(new URL(path, url), options, settle);
    sent.setTimeout(PATIENCE_MS, () => sent.destroy(new Error("no more data arrives")));
    sent.on("error", fail);
    sent.end(body);
  });
}

async function textOf(answer: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of answer) parts.push(part as Buffer);
  return Buffer.concat(parts).toString("utf8").slice(0, 1000);
}

function failed(what: string, cause: unknown): AgentError {
  return new AgentError("SERVER_UNREACHABLE", `${what}: ${messageOf(cause)}`, { cause });
}

async function putPart(url: string, agent: Agent, path: string, body: Buffer): Promise<void> {
  const headers = { "content-type": "application/octet-stream", "content-length": body.length };
  const options = { method: "PUT", headers, agent };
  const answer = await answerTo(url, path, options, body).catch((cause) => {
    throw failed(`PUT ${path}`, cause);
  });
  const text = await textOf(answer);
  if (answer.statusCode === 204) return;
  throw new AgentError("SERVER_REFUSED", `PUT ${path}: HTTP ${answer.statusCode} ${text}`);
}

/** Throws NO_SUCH_SNAPSHOT. */
export function requireDigest({ snapshots }: Context, digest: string): Snapshot {
  const found = snapshots
    .list()
    .find(({ metadata }) => metadata.digest === digest && metadata.damaged === undefined);
  if (found !== undefined) return found;
  throw new AgentError("NO_SUCH_SNAPSHOT", `no snapshot has the digest ${digest}`);
}

/** Sends a snapshot's archive, part by part, as fast as the other node takes it. */
export async function sendSnapshot(
  context: Context,
  server: Server,
  transfer: string,
  digest: string,
): Promise<void> {
  const { metadata } = requireDigest(context, digest);
  const { stream, bytes } = await exportSnapshot(context.snapshots, metadata.name);
  const agent = connection(server);
  let [held, length, part, sent] = [[] as Buffer[], 0, 0, 0];
  const flush = async (last: boolean) => {
    const body = Buffer.concat(held);
    [held, length, sent] = [[], 0, sent + body.length];
    const path = `/v1/node/transfers/${transfer}/${part}`;
    await putPart(server.url, agent, last ? `${path}?last=true` : path, body);
    part += 1;
  };
  try {
    for await (const chunk of stream) {
      held.push(chunk as Buffer);
      length += (chunk as Buffer).length;
      if (length >= PART) await flush(sent + length >= bytes);
    }
    if (sent < bytes || part === 0) await flush(true);
  } finally {
    stream.destroy();
    agent.destroy();
  }
}

function freeName({ snapshots }: Context, name: string, digest: string): string {
  const candidates = [name, `${name.slice(0, 50)}-${digest.slice(0, 12)}`];
  return candidates.find((one) => snapshots.isFree(one)) ?? digest;
}

/** Throws BAD_ARCHIVE if it is a different snapshot from the named one. */
async function keep(
  context: Context,
  name: string,
  digest: string,
  answer: IncomingMessage,
): Promise<SnapshotMetadata> {
  const { snapshots, room, events } = context;
  const imported = await importSnapshot(snapshots, name, answer, room);
  if (imported.digest !== digest) {
    await snapshots.remove(name);
    throw new AgentError(
      "BAD_ARCHIVE",
      `received snapshot ${imported.digest} instead of ${digest}`,
    );
  }
  events.emit("snapshot.imported", name, { from: imported.node });
  return imported;
}

/** Snapshots being fetched: several guests may wait for one. */
const underWay = new WeakMap<Context, Map<string, Promise<string>>>();

/** Fetches a snapshot unless it is here or already being fetched; returns its name here. */
export async function fetchSnapshot(
  context: Context,
  server: Server,
  transfer: string,
  wanted: { readonly digest: string; readonly name: string },
): Promise<string> {
  const coming = underWay.get(context) ?? new Map<string, Promise<string>>();
  underWay.set(context, coming);
  const { digest } = wanted;
  const known = coming.get(digest);
  // If the other one fails, this transfer can still be fetched.
  const fetched = await known?.catch(() => undefined);
  if (fetched !== undefined) return fetched;
  const own = fetchOne(context, server, transfer, wanted).finally(() => coming.delete(digest));
  coming.set(digest, own);
  return await own;
}

async function fetchOne(
  context: Context,
  server: Server,
  transfer: string,
  { digest, name }: { readonly digest: string; readonly name: string },
): Promise<string> {
  const known = context.snapshots
    .list()
    .find(({ metadata }) => metadata.digest === digest && metadata.damaged === undefined);
  if (known !== undefined) return known.metadata.name;
  const path = `/v1/node/transfers/${transfer}`;
  const agent = connection(server);
  try {
    const answer = await answerTo(server.url, path, { method: "GET", agent }).catch((cause) => {
      throw failed(`GET ${path}`, cause);
    });
    if (answer.statusCode !== 200) {
      const text = await textOf(answer);
      throw new AgentError("SERVER_REFUSED", `GET ${path}: HTTP ${answer.statusCode} ${text}`);
    }
    const free = freeName(context, name, digest);
    return (await keep(context, free, digest, answer)).name;
  } finally {
    agent.destroy();
  }
}
