/**
 * Work that the fleet server orders: fetched, done and answered. An answer may be lost and work
 * ordered twice, so all work is idempotent.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { NodeSandbox, Work, WorkBody, WorkResult } from "@evenkeel/api";
// Not from the index: the agent's own OpenAPI document has all schemas that were loaded.
import { WorkAnswer } from "@evenkeel/api/fleet";
import type { Context } from "../sandboxes/context.ts";
import { AgentError, messageOf } from "../errors.ts";
import { createSandbox } from "../sandboxes/create.ts";
import { extendSandbox, killSandbox } from "../sandboxes/end.ts";
import { pauseSandbox, resumeSandbox } from "../sandboxes/pause.ts";
import { openClient, type FleetClient } from "./client.ts";
import type { Identity } from "./identity.ts";
import { sandboxesHeld, sendPromises } from "./sandboxes.ts";
import { fetchSnapshot, requireDigest, sendSnapshot, type Server } from "./transfer.ts";

export interface Worker {
  readonly context: Context;
  /** The current one: certificates are renewed. */
  readonly identity: () => Identity;
  readonly key: string;
}

const AGAIN_MS = 1000;
/** By then even a server with a new store has heard of everything. */
const TELL_MS = 60_000;
const BUSY_MS = 50;
const MOST_BUSY = 200;

function serverOf({ identity, key }: Worker): Server {
  const { server: url, ca, certificate } = identity();
  return { url, credentials: { ca, certificate, key } };
}

type Of<K extends WorkBody["kind"]> = Extract<WorkBody, { kind: K }>;

function stateOf({ sandboxes }: Context, id: string): string | undefined {
  return sandboxes.find(id)?.record.state;
}

async function create(worker: Worker, body: Of<"create">): Promise<void> {
  const { context } = worker;
  const { sandbox: id, snapshot: digest, name, transfer, onTimeout, labels } = body;
  // The server assigns each id once: whatever has this id is this sandbox.
  const state = stateOf(context, id);
  if (state === "running") return;
  // Left by a start that the agent's own end cut short: nobody was told that it ran.
  if (state === "failed") await killSandbox(context, id, "its start was cut short");
  const from =
    transfer === null
      ? requireDigest(context, digest).metadata.name
      : await fetchSnapshot(context, serverOf(worker), transfer, { digest, name });
  const { timeoutSeconds, override } = body;
  await createSandbox(context, { id, from, onTimeout, labels, timeoutSeconds, override });
}

async function perform(worker: Worker, id: string, body: WorkBody): Promise<void> {
  const { context } = worker;
  switch (body.kind) {
    case "create":
      await create(worker, body);
      return;
    case "pause":
      if (stateOf(context, body.sandbox) !== "paused") await pauseSandbox(context, body.sandbox);
      return;
    case "resume": {
      const { timeoutSeconds, override } = body;
      if (stateOf(context, body.sandbox) === "running") return;
      await resumeSandbox(context, body.sandbox, { timeoutSeconds, override });
      return;
    }
    case "extend":
      await extendSandbox(context, body.sandbox, body.timeoutSeconds);
      return;
    case "kill": {
      const isThere = stateOf(context, body.sandbox) !== undefined;
      if (isThere) await killSandbox(context, body.sandbox, "requested by the fleet");
      return;
    }
    case "fetch": {
      const { transfer, snapshot: digest, name } = body;
      await fetchSnapshot(context, serverOf(worker), transfer, { digest, name });
      return;
    }
    case "send":
      await sendSnapshot(context, serverOf(worker), id, body.snapshot);
      return;
  }
}

/** Waits for an operation in progress on the sandbox, such as cleaning up after its VMM. */
async function patiently(run: () => Promise<void>): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      await run();
      return;
    } catch (error) {
      const isBusy = error instanceof AgentError && error.code === "BUSY";
      if (!isBusy || tries >= MOST_BUSY) throw error;
    }
    await sleep(BUSY_MS);
  }
}

async function resultOf(worker: Worker, { id, work: body }: Work): Promise<WorkResult> {
  try {
    await patiently(async () => await perform(worker, id, body));
  } catch (error) {
    const code = error instanceof AgentError ? error.code : "FAILED";
    worker.context.report(`work ${id} for the fleet (${body.kind})`, messageOf(error));
    return { error: { code, message: messageOf(error).slice(0, 4000) } };
  }
  if (!("sandbox" in body)) return {};
  const sandbox = sandboxesHeld(worker.context).find(({ id: own }) => own === body.sandbox);
  return sandbox === undefined ? {} : { sandbox };
}

/**
 * Repeats the answer until the server has it. If the server no longer knows the work, nobody waits
 * for it.
 */
async function answer(
  client: () => FleetClient,
  id: string,
  result: WorkResult,
  stopping: AbortSignal,
): Promise<void> {
  while (!stopping.aborted) {
    try {
      await client().call("POST", `/v1/node/work/${id}`, result);
      return;
    } catch (error) {
      if (error instanceof AgentError && error.code === "SERVER_REFUSED") return;
    }
    await sleep(AGAIN_MS, undefined, { signal: stopping }).catch(() => undefined);
  }
}

/** One call for work: sends the sandboxes' states, returns the work. */
async function ask(client: FleetClient, running: Iterable<string>, list: string | undefined) {
  const sandboxes = list === undefined ? {} : { sandboxes: JSON.parse(list) as NodeSandbox[] };
  const body = { running: [...running], ...sandboxes };
  return WorkAnswer.parse(await client.call("POST", "/v1/node/work", body));
}

/** Fetches work until the agent stops. */
export async function keepWorking(worker: Worker): Promise<void> {
  const { context, identity, key } = worker;
  const { stopping, report } = context;
  const running = new Map<string, Promise<void>>();
  let [told, toldAt, trouble] = ["", -Infinity, ""];
  let sent: string | undefined;
  let current: { readonly certificate: string; readonly client: FleetClient } | undefined;
  const client = (): FleetClient => {
    const { server, ca, certificate } = identity();
    if (current?.certificate === certificate) return current.client;
    current?.client.close();
    current = { certificate, client: openClient(server, { ca, certificate, key }) };
    return current.client;
  };
  const begin = (work: Work) => {
    if (running.has(work.id)) return;
    const done = resultOf(worker, work)
      .then(async (result) => {
        // Who asks next is to be told where it can go; a call that fails is made again with the list.
        const promised = result.sandbox?.contract;
        const lacking = promised === undefined || promised === sent ? [] : [promised];
        await sendPromises(context, client(), lacking).then(
          () => (sent = promised),
          () => undefined,
        );
        await answer(client, work.id, result, stopping);
      })
      .finally(() => running.delete(work.id));
    running.set(work.id, done);
  };
  // A call waiting at the server is useless once the agent is stopping.
  const stop = () => current?.client.close();
  stopping.addEventListener("abort", stop, { once: true });
  while (!stopping.aborted) {
    try {
      const list = JSON.stringify(sandboxesHeld(context));
      const isNews = list !== told || performance.now() - toldAt > TELL_MS;
      const { work, contracts } = await ask(client(), running.keys(), isNews ? list : undefined);
      if (isNews) [told, toldAt] = [list, performance.now()];
      trouble = "";
      for (const one of work) begin(one);
      await sendPromises(context, client(), contracts);
    } catch (error) {
      const why = messageOf(error);
      if (why !== trouble && !stopping.aborted) report("work for the fleet", why);
      trouble = why;
      await sleep(AGAIN_MS, undefined, { signal: stopping }).catch(() => undefined);
    }
  }
  stop();
}
