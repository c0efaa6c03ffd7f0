/** One agent per emulated node, as in production; asked by the calls of its API. */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createAgent, type Agent } from "@evenkeel/agent";
import { ErrorBody, Sandbox, type SandboxState } from "@evenkeel/api";
import { parseJson, readDocument, type CpuContract } from "@evenkeel/core";
import type { Said } from "./assess.ts";
import { LabError } from "./errors.ts";
import { record, type Recording } from "./recording.ts";
import type { ProbedNode } from "./result.ts";
import { place, type Site, type Station } from "./site.ts";

/** A probed node, with its agent. */
export interface Member {
  readonly station: Station;
  readonly probed: ProbedNode;
  readonly agent: Agent;
  /** The microVMs of its agent. */
  readonly recording: Recording;
}

/** The release that contracts and verdicts go by. */
export function releaseOf({ profile }: ProbedNode): string {
  return profile.firecracker[0] ?? "";
}

async function openMember(site: Site, station: Station, probed: ProbedNode): Promise<Member> {
  const recording = record(station.driver, await place(site, "consoles", station.id));
  const agent = await createAgent({
    driver: recording.driver,
    profile: probed.profile,
    directory: join(site.root, station.id),
    kernelsDir: site.kernels,
    imagesDir: site.images,
    firecracker: releaseOf(probed),
    // So that an agent admits by itself only what it found compatible.
    allowUnknown: false,
    // These guests have nothing to protect; verdicts judge what a template takes from them.
    allowInsecure: true,
  });
  return { station, probed, agent, recording };
}

/** Starts an agent on every node; they have stopped when the work is done. */
export async function withAgents<T>(
  site: Site,
  nodes: readonly { readonly station: Station; readonly probed: ProbedNode }[],
  work: (members: readonly Member[]) => Promise<T>,
): Promise<T> {
  const members: Member[] = [];
  try {
    for (const { station, probed } of nodes) {
      members.push(await openMember(site, station, probed));
    }
    return await work(members);
  } finally {
    await Promise.all(members.map(({ agent }) => agent.close()));
  }
}

export interface Answer {
  readonly status: number;
  readonly body: string;
}

export async function call(
  { agent }: Member,
  method: "GET" | "POST" | "DELETE",
  url: string,
  payload?: object,
): Promise<Answer> {
  const sent = payload === undefined ? {} : { payload };
  const { statusCode, body } = await agent.app.inject({ method, url, ...sent });
  return { status: statusCode, body };
}

function errorOf({ status, body }: Answer): ErrorBody["error"] | undefined {
  return status < 400 ? undefined : ErrorBody.parse(parseJson(body)).error;
}

/** Throws AGENT_REFUSED or AGENT_FAILED, with the agent's own message. */
export function requireDone({ station }: Member, answer: Answer): Answer {
  const error = errorOf(answer);
  if (error === undefined) return answer;
  const code = answer.status < 500 ? "AGENT_REFUSED" : "AGENT_FAILED";
  throw new LabError(code, `${station.node.name}: ${error.message} (${error.code})`);
}

const BUSY_MS = 20;

/** Deletes something; waits for an agent that is cleaning up after a guest. */
export async function remove(member: Member, url: string): Promise<void> {
  for (;;) {
    const answer = await call(member, "DELETE", url);
    if (errorOf(answer)?.code !== "BUSY") return void requireDone(member, answer);
    await sleep(BUSY_MS);
  }
}

/** How long an agent may take to see that a machine has ended. */
const NOTICE_MS = 10_000;

/** A sandbox as its agent sees it; if the machine has `ended`, waits until the agent sees that. */
export async function stateOf(member: Member, id: string, ended: boolean): Promise<SandboxState> {
  const limit = Date.now() + NOTICE_MS;
  for (;;) {
    const { body } = requireDone(member, await call(member, "GET", `/v1/sandboxes/${id}`));
    const { state } = Sandbox.parse(parseJson(body));
    if (!ended || state === "failed" || Date.now() > limit) return state;
    await sleep(BUSY_MS);
  }
}

export async function contractFrom(member: Member, snapshot: string): Promise<CpuContract> {
  const url = `/v1/snapshots/${snapshot}/contract`;
  const { body } = requireDone(member, await call(member, "GET", url));
  const document = readDocument(parseJson(body), url);
  if (document.kind === "contract") return document.contract;
  throw new LabError("AGENT_FAILED", `${url} is a ${document.kind}`);
}

/** Moves a snapshot from node to node in one stream; `name`: its name there. */
export async function carry(
  from: Member,
  to: Member,
  snapshot: string,
  name: string,
): Promise<void> {
  const url = `/v1/snapshots/${snapshot}/export`;
  const exported = await from.agent.app.inject({ method: "GET", url, payloadAsStream: true });
  const { "content-type": type = "", "content-length": length = "" } = exported.headers;
  const imported = await to.agent.app.inject({
    method: "PUT",
    url: `/v1/snapshots/${name}`,
    headers: { "content-type": type, "content-length": String(length) },
    payload: exported.stream(),
  });
  requireDone(to, { status: imported.statusCode, body: imported.body });
}

export interface Resumed extends Said {
  /** The sandbox, or why there is none. */
  readonly answer: Answer;
}

/**
 * Resumes a snapshot: first normally, so that the agent's gate decides; if it refuses, with an
 * override, to see what happens to the guest.
 */
export async function resume(member: Member, id: string, from: string): Promise<Resumed> {
  const plain = await call(member, "POST", "/v1/sandboxes", { id, from });
  const { code, verdict, findings } = errorOf(plain) ?? {};
  if (code !== "RESUME_REFUSED" || verdict === undefined) {
    return { verdict: "compatible", against: [], answer: plain };
  }
  const override = { accept: verdict, reason: "the lab tests the outcome" };
  const answer = await call(member, "POST", "/v1/sandboxes", { id, from, override });
  return { verdict, against: findings ?? [], answer };
}
