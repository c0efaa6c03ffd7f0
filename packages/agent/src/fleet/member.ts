/**
 * The node as a member of its fleet: it says every few seconds that it is there, sends what the
 * server lacks, and applies the plan that it is told to. The server may be away for as long as it
 * likes: sandboxes run on, and cold boots go by the plan that was applied last.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Heartbeat, PlanReference } from "@evenkeel/api";
import { contractToJson, formatProfile } from "@evenkeel/core";
import { z } from "zod";
import type { Context } from "../sandboxes/context.ts";
import type { CurrentShape } from "../cpu/current.ts";
import type { CpuShape } from "../cpu/shape.ts";
import { AgentError, messageOf } from "../errors.ts";
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
import { isDue, joinFleet, renewIdentity } from "./join.ts";
import {
  appliedPlan,
  keepPlan,
  noteApplied,
  readPlanFiles,
  Reference,
  shapeOfPlan,
} from "./plan.ts";

export interface FleetOptions {
  /** `https://host:port` */
  readonly server: string;
  /** `ekj.SECRET.DIGEST`; needed once. */
  readonly join?: string | undefined;
}

interface Member {
  readonly context: Context;
  readonly paths: FleetPaths;
  readonly shapes: CurrentShape;
  readonly key: string;
  identity: Identity;
  client: FleetClient;
  plan: PlanReference | undefined;
  planError: string | undefined;
  /** What was reported last, so that it is reported once. */
  trouble: string | undefined;
}

const Answer = z.object({
  needs: z.array(z.string()),
  plan: Reference.nullable(),
  heartbeatSeconds: z.number().min(0.1).max(3600),
});
const Missing = z.object({ missing: z.array(z.string()) });

const HEARTBEAT_SECONDS = 5;

function connect({ server, ca, certificate }: Identity, key: string): FleetClient {
  return openClient(server, { ca, certificate, key });
}

async function sendSnapshots({ context, client }: Member): Promise<void> {
  const list = snapshotsHeld(context);
  const report = { digest: digestOfList(list), snapshots: list };
  const put = async () =>
    Missing.parse(await client.call("PUT", "/v1/node/snapshots", report)).missing;
  const contracts = new Map(
    context.snapshots.list().map(({ contract, metadata }) => [metadata.contract, contract]),
  );
  for (const digest of await put()) {
    const contract = contracts.get(digest);
    if (contract !== undefined) {
      await client.call("PUT", "/v1/node/contracts", contractToJson(contract));
    }
  }
  const left = await put();
  if (left.length > 0) throw new Error(`the server does not take contract ${left[0]}`);
}

function planned(member: Member, digest: string): CpuShape {
  const { context, paths } = member;
  return shapeOfPlan(paths, digest, {
    profile: context.profile,
    versions: context.releases.versions,
    allowInsecure: context.settings.allowInsecure,
  });
}

/** Guests that boot from now on have this plan's CPU; where that fails, they have the one before. */
async function applyPlan(member: Member, wanted: PlanReference | null): Promise<void> {
  const { client, paths, shapes, plan } = member;
  if (wanted === null) {
    if (plan !== undefined) {
      await noteApplied(paths, undefined);
      shapes.set(undefined);
    }
    [member.plan, member.planError] = [undefined, undefined];
    return;
  }
  const same = plan?.digest === wanted.digest && plan.version === wanted.version;
  if (same && plan.pool === wanted.pool) {
    member.planError = undefined;
    return;
  }
  try {
    const files = readPlanFiles(await client.call("GET", "/v1/node/plan"), wanted);
    await keepPlan(paths, files);
    const shape = planned(member, wanted.digest);
    await noteApplied(paths, wanted);
    shapes.set(shape);
    [member.plan, member.planError] = [wanted, undefined];
  } catch (error) {
    if (!(error instanceof AgentError) || error.code !== "BAD_PLAN") throw error;
    member.planError = error.message.slice(0, 2000);
  }
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
  const { context, plan, planError } = member;
  await renewIfDue(member);
  const { client } = member;
  const body: Heartbeat = {
    profile: digestOfProfile(context.profile),
    snapshots: digestOfList(snapshotsHeld(context)),
    capacity: capacityOf(context),
    ...(plan === undefined ? {} : { plan }),
    ...(planError === undefined ? {} : { planError }),
  };
  const answer = Answer.parse(await client.call("POST", "/v1/node/heartbeat", body));
  if (answer.needs.includes("profile")) {
    const { profile } = context;
    const report = {
      digest: digestOfProfile(profile),
      profile: JSON.parse(formatProfile(profile)) as unknown,
    };
    await client.call("PUT", "/v1/node/profile", report);
  }
  if (answer.needs.includes("snapshots")) await sendSnapshots(member);
  const before = [member.plan, member.planError];
  await applyPlan(member, answer.plan);
  // The server hears at once of a plan that was applied, or of why not.
  const isNews = before[0] !== member.plan || before[1] !== member.planError;
  return isNews ? 0 : answer.heartbeatSeconds;
}

async function keepBeating(member: Member, stopping: AbortSignal): Promise<void> {
  let seconds = HEARTBEAT_SECONDS;
  while (!stopping.aborted) {
    let next: number;
    try {
      next = await beat(member);
      if (next > 0) seconds = next;
      if (member.trouble !== undefined) member.context.report("the fleet", "all is well again");
      member.trouble = undefined;
    } catch (error) {
      const why = messageOf(error);
      if (why !== member.trouble) member.context.report("the fleet", why);
      member.trouble = why;
      next = seconds;
    }
    // Nodes that were started together do not speak together for ever.
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
  // A token that was not used yet is for a node that was deleted, or away for too long.
  if (known?.server === server && !isNew) return known;
  if (known !== undefined && join === undefined) {
    const message = `server: this node has joined ${known.server}; another takes a join token`;
    throw new AgentError("BAD_CONFIG", message);
  }
  if (join !== undefined) return await joinFleet({ paths, server, token: join, profile });
  throw new AgentError("BAD_CONFIG", "server: the node has not joined: give a join token (--join)");
}

/** What was applied before, from the disk: the server need not be there. */
function applyAgain(member: Member): void {
  const { paths, plan, shapes, context } = member;
  if (plan === undefined) return;
  try {
    shapes.set(planned(member, plan.digest));
  } catch (error) {
    // Asked for anew, and reported to the server.
    member.plan = undefined;
    member.planError = messageOf(error).slice(0, 2000);
    context.report(`the plan in ${paths.plans}`, messageOf(error));
  }
}

/**
 * Joins if need be, and goes on until the agent stops; what it returns settles then. Throws
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
    shapes,
    key,
    identity,
    client: connect(identity, key),
    plan: appliedPlan(paths),
    planError: undefined,
    trouble: undefined,
  };
  applyAgain(member);
  const done = keepBeating(member, context.stopping).finally(() => member.client.close());
  return { node: identity.node, done };
}
