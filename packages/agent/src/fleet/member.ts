/**
 * The node as a member of its fleet: it sends a heartbeat every few seconds, sends what the server
 * lacks, and applies the plan it is told to. The server may be unreachable for any time: sandboxes
 * keep running, and cold boots follow the last applied plan.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Heartbeat } from "@evenkeel/api";
import { formatProfile } from "@evenkeel/core";
import { z } from "zod";
import type { Context } from "../sandboxes/context.ts";
import type { CurrentShape } from "../cpu/current.ts";
import { AgentError, messageOf } from "../errors.ts";
import { appliedNow, beginApplying, follow, type Applying } from "./apply.ts";
import { openClient, type FleetClient } from "./client.ts";
import { capacityOf, digestOfList, digestOfProfile, snapshotsHeld } from "./holdings.ts";
import {
  digestOfToken,
  fleetPaths,
  nodeKey,
  readIdentity,
  type FleetPaths,
  type Identity,
} from "./identity.ts";
import { sendSnapshots } from "./send-snapshots.ts";
import { isDue, joinFleet, renewIdentity } from "./join.ts";
import { isSame, Pool, Reference } from "./orders.ts";
import { keepTunnel } from "./tunnel.ts";
import { keepWorking } from "./work.ts";

export interface FleetOptions {
  /** `https://host:port` */
  readonly server: string;
  /** `ekj.SECRET.DIGEST`; needed once. */
  readonly join?: string | undefined;
}

interface Member {
  readonly context: Context;
  readonly paths: FleetPaths;
  readonly applying: Applying;
  readonly key: string;
  identity: Identity;
  client: FleetClient;
  /** The last reported problem, so that each is reported once. */
  trouble: string | undefined;
}

const Answer = z.object({
  needs: z.array(z.string()),
  pool: Pool.nullable(),
  plan: Reference.nullable(),
  heartbeatSeconds: z.number().min(0.1).max(3600),
});

const HEARTBEAT_SECONDS = 5;

function connect({ server, ca, certificate }: Identity, key: string): FleetClient {
  return openClient(server, { ca, certificate, key });
}

async function renewIfDue(member: Member): Promise<void> {
  if (!isDue(member.identity)) return;
  const { client, paths, key } = member;
  const post = async (path: string, body: unknown) => await client.call("POST", path, body);
  member.identity = await renewIdentity(paths, member.identity, post);
  member.client = connect(member.identity, key);
  client.close();
}

/** One heartbeat and what it asks for; returns when the next is due, in seconds. */
async function beat(member: Member): Promise<number> {
  const { context, applying } = member;
  await renewIfDue(member);
  const { planError, refusal } = applying;
  const plan = appliedNow(applying);
  const { client } = member;
  const current = digestOfProfile(context.profile);
  // A plan that did not fit the old profile may fit the new one.
  const refused = refusal?.profile === current ? refusal.digest : undefined;
  const body: Heartbeat = {
    profile: current,
    snapshots: digestOfList(snapshotsHeld(context)),
    capacity: capacityOf(context),
    ...(plan === null ? {} : { plan }),
    ...(planError === undefined ? {} : { planError }),
    ...(refused === undefined ? {} : { planRefused: refused }),
  };
  const answer = Answer.parse(await client.call("POST", "/v1/node/heartbeat", body));
  // First, because guests wait for it; a long list of snapshots takes time.
  await follow(applying, client, { pool: answer.pool, wanted: answer.plan });
  if (answer.needs.includes("profile")) {
    const { profile } = context;
    const report = {
      digest: digestOfProfile(profile),
      profile: JSON.parse(formatProfile(profile)) as unknown,
    };
    await client.call("PUT", "/v1/node/profile", report);
  }
  if (answer.needs.includes("snapshots")) await sendSnapshots(context, client);
  // The server learns at once that a plan was applied, or why not.
  const isNews = !isSame(plan, appliedNow(applying)) || planError !== applying.planError;
  return isNews ? 0 : answer.heartbeatSeconds;
}

async function keepBeating(member: Member, stopping: AbortSignal): Promise<void> {
  let seconds = HEARTBEAT_SECONDS;
  while (!stopping.aborted) {
    let next: number;
    try {
      next = await beat(member);
      if (next > 0) seconds = next;
      if (member.trouble !== undefined) member.context.report("the fleet", "working again");
      member.trouble = undefined;
    } catch (error) {
      if (stopping.aborted) return;
      const why = messageOf(error);
      if (why !== member.trouble) member.context.report("the fleet", why);
      member.trouble = why;
      next = seconds;
    }
    // Spreads the heartbeats of nodes that were started at the same time.
    const jitter = 0.9 + Math.random() * 0.2;
    await sleep(next * jitter * 1000, undefined, { signal: stopping }).catch(() => undefined);
  }
}

async function identityFor(
  { server, join }: FleetOptions,
  paths: FleetPaths,
  { profile }: Context,
): Promise<Identity> {
  const known = readIdentity(paths);
  const isNew =
    join !== undefined &&
    known?.joinedWith !== undefined &&
    known.joinedWith !== digestOfToken(join);
  // An unused token means: join again, after the node was deleted or away for too long.
  if (known?.server === server && !isNew) return known;
  if (known !== undefined && join === undefined) {
    const message = `server: this node has joined ${known.server}; to join another server, give a join token`;
    throw new AgentError("BAD_CONFIG", message);
  }
  if (join !== undefined) return await joinFleet({ paths, server, token: join, profile });
  throw new AgentError(
    "BAD_CONFIG",
    "server: this node has not joined: give a join token (--join)",
  );
}

/**
 * Joins if necessary, and runs until the agent stops; the returned promise settles then. Throws
 * BAD_CONFIG, JOIN_FAILED.
 */
export async function openFleet(
  context: Context,
  options: FleetOptions,
  shapes: CurrentShape,
): Promise<{ readonly node: string; readonly done: Promise<void> }> {
  const paths = fleetPaths(context.paths.data);
  const identity = await identityFor(options, paths, context);
  const key = await nodeKey(paths);
  const member: Member = {
    context,
    paths,
    applying: beginApplying(context, paths, shapes),
    key,
    identity,
    client: connect(identity, key),
    trouble: undefined,
  };
  // A server that does not answer must not keep the agent from stopping.
  context.stopping.addEventListener("abort", () => member.client.close(), { once: true });
  const beating = keepBeating(member, context.stopping).finally(() => member.client.close());
  const working = keepWorking({ context, key, identity: () => member.identity });
  const tunnel = keepTunnel({ context, key, identity: () => member.identity });
  const done = Promise.all([beating, working, tunnel]).then(() => undefined);
  return { node: identity.node, done };
}
