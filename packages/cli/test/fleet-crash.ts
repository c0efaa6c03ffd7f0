/**
 * Callers of a fleet whose servers and agents are killed under them: what they were told holds, is
 * kept in mind, and compared with what there is in the end.
 */
import { existsSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { Call } from "../../server/test/support.ts";
import type { Json } from "./fleet-support.ts";

type State = "running" | "paused";

/** What callers know to be so. */
export interface Known {
  readonly sandboxes: Map<string, State>;
  /** What nobody should be told. */
  readonly defects: string[];
  /** Requests that were answered, and those that had to be sent again. */
  answered: number;
  again: number;
}

type Random = () => number;

const PATIENCE_MS = 240_000;

/** Sends a request with its key until it is answered, to whichever server is there. */
async function insist(
  known: Known,
  servers: readonly Call[],
  random: Random,
  ...[method, path, body, key]: ["POST" | "DELETE", string, Json, string]
): Promise<Json> {
  const end = Date.now() + PATIENCE_MS;
  for (let tries = 0; Date.now() < end; tries++) {
    const call = servers[Math.floor(random() * servers.length)];
    const ask = call?.(method, path, body, { "idempotency-key": key });
    const answer = await ask?.catch(() => undefined);
    if (answer !== undefined && answer.status < 500 && answer.status !== 429) {
      known.answered += 1;
      known.again += tries;
      return answer;
    }
    await sleep(200);
  }
  throw new Error(`${method} ${path}: no answer`);
}

/** Refusals that say that nothing was done. A node that was just killed is full, silent, or gone. */
const REFUSALS = new Set(["NO_NODE", "NODE_REFUSED", "NO_FILES"]);

function code({ body }: Json): string {
  return String(body?.error?.code);
}

interface Caller {
  readonly name: string;
  readonly known: Known;
  readonly servers: readonly Call[];
  readonly random: Random;
  readonly from: string;
}

async function create(caller: Caller, key: string): Promise<string | undefined> {
  const { known, servers, random, from } = caller;
  const body = { from, timeoutSeconds: 3600 };
  const answer = await insist(known, servers, random, "POST", "/v1/sandboxes", body, key);
  if (answer.status === 201) {
    const id = String(answer.body.id);
    if (known.sandboxes.has(id)) known.defects.push(`${id} was created by two keys`);
    known.sandboxes.set(id, "running");
    return id;
  }
  if (!REFUSALS.has(code(answer))) known.defects.push(`create: ${JSON.stringify(answer)}`);
  return undefined;
}

const STEPS = {
  pause: { method: "POST", from: "running", to: "paused" },
  resume: { method: "POST", from: "paused", to: "running" },
} as const;

async function step(caller: Caller, id: string, kind: keyof typeof STEPS, key: string) {
  const { known, servers, random } = caller;
  const { method, to } = STEPS[kind];
  const path = `/v1/sandboxes/${id}/${kind}`;
  const answer = await insist(known, servers, random, method, path, {}, key);
  if (answer.status === 200) known.sandboxes.set(id, to);
  else if (!REFUSALS.has(code(answer))) {
    known.defects.push(`${kind} ${id}: ${JSON.stringify(answer)}`);
  }
}

async function kill(caller: Caller, id: string, key: string): Promise<boolean> {
  const { known, servers, random } = caller;
  const path = `/v1/sandboxes/${id}`;
  const answer = await insist(known, servers, random, "DELETE", path, undefined, key);
  if (answer.status === 204) return known.sandboxes.delete(id);
  if (!REFUSALS.has(code(answer))) known.defects.push(`kill ${id}: ${JSON.stringify(answer)}`);
  return false;
}

/** Creates, pauses, resumes and kills sandboxes of its own until it is told to stop. */
export async function callOn(caller: Caller, isOver: () => boolean): Promise<void> {
  const own: string[] = [];
  const { name, known, random } = caller;
  for (let count = 0; !isOver(); count++) {
    const key = `${name}-${count}`;
    const id = own[Math.floor(random() * 3)];
    if (id === undefined) {
      const made = await create(caller, key);
      if (made === undefined) await sleep(200);
      else own.push(made);
    } else if (random() < 0.25) {
      if (await kill(caller, id, key)) own.splice(own.indexOf(id), 1);
    } else {
      const state = known.sandboxes.get(id);
      await step(caller, id, state === "running" ? "pause" : "resume", key);
    }
  }
}

/** When a process began, by the kernel; undefined where it has ended. */
export function beganAt(pid: number): string | undefined {
  const file = `/proc/${pid}/stat`;
  if (!existsSync(file)) return undefined;
  const text = readFileSync(file, "utf8");
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return fields[0] === "Z" ? undefined : fields[19];
}
