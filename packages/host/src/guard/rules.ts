/** What the guard does with each call: most are forwarded unchanged, snapshot calls are checked. */
import {
  does,
  honourAccepted,
  judge,
  knownLine,
  type CpuContract,
  type NodeProfile,
} from "@evenkeel/core";
import { readContract, replaceContract, type Replacement } from "./contract-file.ts";
import { contractStore, type ContractStore } from "./contract-store.ts";
import { guestOf, type Machine } from "./guest.ts";
import type { JailRoot } from "./place.ts";
import { ALLOW_VARIABLE, type Objection } from "./policy.ts";
import { profileToday, type GuardSettings } from "./settings.ts";
import type { Answer, Call, Upstream } from "./upstream.ts";

type Guest = ReturnType<typeof guestOf>;

export interface RulesOptions {
  readonly settings: GuardSettings;
  readonly allowed: ReadonlySet<Objection>;
  readonly upstream: Pick<Upstream, "send">;
  /** Bytes that a body may have. */
  readonly limit: number;
  /** Whether someone else may have reached Firecracker, so that nothing is certain any more. */
  readonly exposed: () => boolean;
  /** If Firecracker is in a jail: the root of its paths. */
  readonly jail?: JailRoot | undefined;
  /** Tells the operator. */
  readonly say: (text: string) => void;
}

const REASONS: Readonly<Record<number, string>> = { 400: "Bad Request", 403: "Forbidden" };

function answerWith(status: 400 | 403, text: string): Answer {
  const body = Buffer.from(text);
  const headers = ["Server", "Firecracker API", "Connection", "keep-alive"];
  headers.push("Content-Type", "application/json", "Content-Length", String(body.length));
  return { status, reason: REASONS[status] ?? "", headers, body };
}

function fault(status: 400 | 403, message: string): Answer {
  return answerWith(status, JSON.stringify({ fault_message: message }));
}

/** In the words of Firecracker's HTTP server, which never sees the call: micro_http, server.rs. */
function tooLarge(size: number, limit: number): Answer {
  const words =
    `Request payload with size ${size} is larger than the limit of ${limit} allowed by server.\n` +
    "All previous unanswered requests will be dropped.";
  return answerWith(400, `{ "error": "${words}" }`);
}

function jsonOf({ body }: Pick<Call, "body">): unknown {
  try {
    return JSON.parse(body.toString("utf8")) as unknown;
  } catch {
    return undefined;
  }
}

/**
 * The snapshot that a call is about; undefined if the guard cannot tell, and so does not forward
 * the call.
 */
function snapshotOf(call: Call): string | undefined {
  const path = (jsonOf(call) as { snapshot_path?: unknown } | null | undefined)?.snapshot_path;
  return typeof path === "string" && path !== "" ? path : undefined;
}

function succeeded({ status }: Answer): boolean {
  return status >= 200 && status < 300;
}

interface Judged {
  readonly contract?: CpuContract;
  readonly objection?: Objection;
  readonly words: string;
}

function judgeSnapshot(
  snapshot: string,
  profile: NodeProfile,
  { settings, jail }: Pick<RulesOptions, "settings" | "jail">,
  store: ContractStore | undefined,
): Judged {
  let contract: CpuContract;
  try {
    contract = readContract(snapshot, { jail, store });
  } catch (error) {
    const words = `no contract: ${error instanceof Error ? error.message : String(error)}`;
    return { objection: "missing", words };
  }
  const judgement = judge(contract, profile, settings.version);
  const { verdict, findings } = honourAccepted(judgement, contract, settings.shape);
  if (verdict === "compatible") return { contract, words: verdict };
  const against = findings.filter(({ severity }) => severity !== "note");
  const names = [...new Set(against.map(({ name }) => name))];
  return { contract, objection: verdict, words: `${verdict}: ${names.join(", ")}` };
}

/**
 * The only spelling of a path that is let through. Firecracker accepts others for the same calls
 * (`//snapshot/load`, `/snapshot/load/`, `http://host/…`), and its request line has 1024 bytes.
 */
const CANONICAL = /^\/(?:[\w-]{1,64}(?:\/[\w-]{1,64}){0,4})?$/;
/**
 * All methods of its API, including the one that unplugs devices. At any other method Firecracker
 * loses its place in the stream.
 */
const METHODS = ["GET", "PUT", "PATCH"];
const UNPLUG = "DELETE";

async function machineOf(upstream: RulesOptions["upstream"]): Promise<Machine> {
  const body = Buffer.alloc(0);
  const asked = { method: "GET", path: "/machine-config", body };
  const config = jsonOf(await upstream.send(asked)) as
    | { readonly vcpu_count?: unknown; readonly smt?: unknown }
    | undefined;
  const { vcpu_count: vcpus, smt } = config ?? {};
  if (typeof vcpus === "number" && typeof smt === "boolean") return { vcpus, smt };
  throw new Error("Firecracker does not report the number of vCPUs");
}

/** Writes the contract of a snapshot that was taken; tells the operator if there is none. */
async function keepContract(
  { upstream, exposed, say }: RulesOptions,
  guest: Guest,
  snapshot: string,
  replacement: Replacement,
): Promise<void> {
  try {
    if (exposed()) {
      throw new Error("a connection to Firecracker was lost, and others may reach it");
    }
    const unshared = replacement.write(guest.contract(await machineOf(upstream)));
    if (unshared !== undefined) {
      say(`the contract of ${snapshot} is beside it, but not shared with other nodes: ${unshared}`);
    }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    say(`${snapshot} has no contract, so a guarded load will be refused: ${reason}`);
  }
}

/** Takes a snapshot. The previous contract is removed, and restored if no snapshot was taken. */
async function createSnapshot(
  call: Call,
  options: RulesOptions,
  guest: Guest,
  store: ContractStore | undefined,
): Promise<Answer> {
  const snapshot = snapshotOf(call);
  if (snapshot === undefined) return fault(400, "evenkeel guard: there is no snapshot_path");
  let replacement: Replacement;
  try {
    replacement = replaceContract(snapshot, { jail: options.jail, store });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return fault(403, `evenkeel guard: no contract can be stored for ${snapshot}: ${reason}`);
  }
  let done = false;
  try {
    const answer = await options.upstream.send(call);
    done = succeeded(answer);
    if (done) await keepContract(options, guest, snapshot, replacement);
    return answer;
  } finally {
    replacement.end(done);
  }
}

export function guardRules(options: RulesOptions) {
  const { settings, allowed, upstream, limit, say } = options;
  const { version, shape, contracts } = settings;
  const store = contracts === undefined ? undefined : contractStore(contracts);
  const unplugs = does(knownLine(version), "unplugs-devices");
  const methods = new Set(unplugs ? [...METHODS, UNPLUG] : METHODS);
  // Read again each time: microcode may be reloaded while the guard runs.
  const profile = () => profileToday(settings);
  const guest = guestOf(shape, version, profile);

  async function changing(call: Call, done: () => void): Promise<Answer> {
    const settle = guest.unsettle();
    const answer = await upstream.send(call);
    settle();
    if (succeeded(answer)) done();
    return answer;
  }

  async function load(call: Call): Promise<Answer> {
    const snapshot = snapshotOf(call);
    if (snapshot === undefined) return fault(400, "evenkeel guard: there is no snapshot_path");
    const { contract, objection, words } = judgeSnapshot(snapshot, profile(), options, store);
    if (objection !== undefined && !allowed.has(objection)) {
      const message = `${snapshot} on ${profile().name}: ${words}`;
      say(`refused to load ${message}`);
      return fault(403, `evenkeel guard: ${message}`);
    }
    if (objection !== undefined) {
      say(`${snapshot} is loaded on ${profile().name} because of ${ALLOW_VARIABLE}: ${words}`);
    }
    return changing(call, () => guest.loaded(contract));
  }

  /** One call at a time, as Firecracker itself handles them. */
  return (call: Call): Promise<Answer> => {
    const { method, path, oversize } = call;
    if (oversize !== undefined) return Promise.resolve(tooLarge(oversize, limit));
    if (!methods.has(method) || !CANONICAL.test(path)) {
      const words = `${method} ${JSON.stringify(path.slice(0, 100))}`;
      return Promise.resolve(fault(400, `evenkeel guard: ${words} is not a call in this API`));
    }
    const [, resource] = path.split("/", 2);
    if (resource === "snapshot") {
      if (method === "PUT" && path === "/snapshot/load") return load(call);
      if (method === "PUT" && path === "/snapshot/create") {
        return createSnapshot(call, options, guest, store);
      }
      const words = `Invalid request method and/or path: ${method} ${path}.`;
      return Promise.resolve(fault(400, words));
    }
    if (method === "GET") return upstream.send(call);
    if (resource === "cpu-config") return changing(call, () => guest.configured(jsonOf(call)));
    if (resource === "machine-config") {
      return changing(call, () => guest.machineConfigured(jsonOf(call)));
    }
    return upstream.send(call);
  };
}
