/** `evenkeel fleet`: calls to the fleet's API, with their answers rendered. */
import type { NodeView, Placement, PlanVersion } from "@evenkeel/api";
import { prettyJson } from "@evenkeel/core";
import { CliError, FleetError } from "../errors.ts";
import { callFleet, fetchCa } from "../fleet/call.ts";
import { contextOf, keepContext } from "../fleet/contexts.ts";
import { LISTS, type ListKind } from "../fleet/lists.ts";
import { readSecret } from "../input/secret.ts";
import { printable, printableIn } from "../printable.ts";
import { describeText, placementText, planText } from "../render/fleet.ts";

export interface FleetFlags {
  readonly context?: string;
  readonly json?: boolean;
  readonly server?: string;
  readonly tokenFile?: string;
  readonly caDigest?: string;
  readonly label?: readonly string[];
  readonly memory?: string;
  readonly pool?: string;
  readonly ttl?: string;
  readonly strategy?: string;
  readonly unplanned?: string;
  readonly atOnce?: boolean;
  readonly forbid?: readonly string[];
  readonly require?: readonly string[];
  readonly accept?: string;
  readonly strand?: string;
  readonly output?: string;
  readonly watch?: boolean;
}

/** All output of a fleet's answers goes through here, because nodes wrote much of it. */
export function show<T>(flags: FleetFlags, answer: T, text: (answer: T) => string): number {
  const isJson = flags.json === true;
  process.stdout.write(isJson ? printable(prettyJson(answer)) : text(printableIn(answer)));
  return 0;
}

export async function call(
  { context }: FleetFlags,
  ...[method, path, body, options]: [
    method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE",
    path: string,
    body?: unknown,
    options?: { secret: boolean },
  ]
): Promise<unknown> {
  return await callFleet(contextOf(process.env, context), method, path, body, options);
}

/** Names and digests go into paths. */
export function at(...parts: readonly string[]): string {
  return `/v1/${parts.map(encodeURIComponent).join("/")}`;
}

export function labelsOf({ label = [] }: FleetFlags): Record<string, string> {
  return Object.fromEntries(
    label.map((text) => {
      const equals = text.indexOf("=");
      if (equals < 1) throw new CliError("USAGE", `--label must be key=value, but is "${text}"`);
      return [text.slice(0, equals), text.slice(equals + 1)];
    }),
  );
}

const DIGEST = /^[0-9a-f]{64}$/;
/** A shorter prefix of a digest could match by chance. */
const SHORTEST = 8;

/** Checks the prefix of the digest that an operator reviewed; throws USAGE, CHANGED. */
function requireSeen(what: string, seen: string, now: string): string {
  if (!/^[0-9a-f]+$/.test(seen) || seen.length < SHORTEST) {
    const message = `give the digest of what you reviewed, or at least its first ${SHORTEST} digits`;
    throw new CliError("USAGE", `${message}, not "${seen}"`);
  }
  if (now.startsWith(seen)) return now;
  throw new CliError("CHANGED", `${what} is ${now} now, not ${seen}`);
}

export function wholeNumber(text: string, option: string): number {
  if (/^[1-9]\d{0,9}$/.test(text)) return Number(text);
  throw new CliError("USAGE", `${option} must be a whole number from 1, but is "${text}"`);
}

/** `node`, `nodes`. */
function listKind(text: string): ListKind {
  const found = LISTS.find((kind) => kind === text || kind === `${text}s` || kind === `${text}es`);
  if (found !== undefined) return found;
  throw new CliError("USAGE", `unknown kind "${text}"; known: ${LISTS.join(", ")}`);
}

/** Plans belong to a pool; without a pool, those of all pools. */
async function allPlans(pool: string | undefined, flags: FleetFlags) {
  const names =
    pool === undefined
      ? ((await call(flags, "GET", at("pools"))) as { pools: { name: string }[] }).pools.map(
          ({ name }) => name,
        )
      : [pool];
  const lists = await Promise.all(
    names.map(
      async (name) =>
        ((await call(flags, "GET", at("pools", name, "plans"))) as { plans: PlanVersion[] }).plans,
    ),
  );
  return { plans: lists.flat() };
}

export async function runGet(
  text: string,
  name: string | undefined,
  flags: FleetFlags,
): Promise<number> {
  const kind = listKind(text);
  const ask = async () =>
    kind === "plans" ? await allPlans(name, flags) : await call(flags, "GET", at(kind));
  const only = kind === "plans" ? undefined : name;
  const { runList } = await import("./fleet-list.ts");
  return await runList({ kind, only, ask }, flags);
}

export async function runDescribe(args: readonly string[], flags: FleetFlags): Promise<number> {
  const [text = "", name = "", version] = args;
  const kind = listKind(text);
  if (kind === "nodes") {
    const node = (await call(flags, "GET", at("nodes", name))) as object;
    const { history } = (await call(flags, "GET", at("nodes", name, "history"))) as {
      history: object[];
    };
    return show(flags, { ...node, history }, describeText);
  }
  const path = kind === "plans" ? at("pools", name, "plans", version ?? "") : at(kind, name);
  if (kind !== "plans" && kind !== "pools" && kind !== "contracts") {
    throw new CliError("USAGE", `describe takes a node, pool, plan or contract, not ${kind}`);
  }
  if (kind === "plans" && version === undefined) {
    throw new CliError("USAGE", "describe plan takes a pool and a version");
  }
  const answer = await call(flags, "GET", path);
  return show(flags, answer as object, describeText);
}

interface Guest {
  readonly snapshot?: string;
  readonly contract?: string;
}

async function isContract(digest: string, flags: FleetFlags): Promise<boolean> {
  try {
    await call(flags, "GET", at("contracts", digest));
    return true;
  } catch (error) {
    if (error instanceof FleetError && error.code === "NO_SUCH_CONTRACT") return false;
    throw error;
  }
}

/** Digests of the snapshots that an argument names. */
async function snapshotsNamed(text: string, flags: FleetFlags): Promise<string[]> {
  const by = DIGEST.test(text) ? "digest" : "name";
  const path = `${at("snapshots")}?${by}=${encodeURIComponent(text)}`;
  const { snapshots } = (await call(flags, "GET", path)) as { snapshots: { digest: string }[] };
  return snapshots.map(({ digest }) => digest);
}

/** `snapshot/NAME`, `contract/DIGEST`, or either without its prefix if that is unambiguous. */
async function guestNamed(text: string, flags: FleetFlags): Promise<Guest> {
  const [, kind, name = ""] = /^(?:(snapshot|contract)\/)?(.*)$/s.exec(text) ?? [];
  if (kind === "contract") return { contract: name };
  const found = await snapshotsNamed(name, flags);
  const [snapshot, another] = found;
  if (another !== undefined) {
    const digests = found.map((digest) => `snapshot/${digest}`).join(", ");
    throw new CliError("USAGE", `several snapshots are named ${name}; give a digest: ${digests}`);
  }
  const isBoth =
    kind === undefined && DIGEST.test(name) && snapshot !== undefined
      ? await isContract(name, flags)
      : false;
  if (isBoth) {
    const message = `${name} is the digest of both a snapshot and a contract: write snapshot/… or contract/…`;
    throw new CliError("USAGE", message);
  }
  if (snapshot !== undefined) return { snapshot };
  if (kind === undefined && DIGEST.test(name)) return { contract: name };
  throw new CliError("NO_SNAPSHOT", `no node holds a snapshot named "${name}"`);
}

/** 1 if no node can: the answer is no. */
export async function runPlace(text: string, flags: FleetFlags): Promise<number> {
  const guest = await guestNamed(text, flags);
  const { memory, pool } = flags;
  const placement = (await call(flags, "POST", at("placements"), {
    ...guest,
    ...(memory === undefined ? {} : { memoryMib: wholeNumber(memory, "--memory") }),
    ...(pool === undefined ? {} : { pool }),
    labels: labelsOf(flags),
  })) as Placement;
  show(flags, placement, placementText);
  return placement.eligible > 0 ? 0 : 1;
}

export async function runJoinToken(flags: FleetFlags): Promise<number> {
  const body = { ttlSeconds: wholeNumber(flags.ttl ?? "", "--ttl"), labels: labelsOf(flags) };
  const made = (await call(flags, "POST", at("join-tokens"), body, { secret: true })) as {
    token: string;
  };
  return show(flags, made, () => `${made.token}\n`);
}

/** Prints the key alone: it is shown once. */
export async function runCreateE2bKey(
  team: string,
  name: string,
  flags: FleetFlags,
): Promise<number> {
  const body = { team, name };
  const made = (await call(flags, "POST", at("e2b-keys"), body, { secret: true })) as {
    key: string;
  };
  return show(flags, made, () => `${made.key}\n`);
}

export async function runDeleteE2bKey(
  team: string,
  name: string,
  flags: FleetFlags,
): Promise<number> {
  await call(flags, "DELETE", at("e2b-keys", team, name));
  return show(flags, { deleted: `${team}/${name}` }, ({ deleted }) => `${deleted} is deleted\n`);
}

export async function runListE2bKeys(flags: FleetFlags): Promise<number> {
  const { keys } = (await call(flags, "GET", at("e2b-keys"))) as {
    keys: readonly { team: string; name: string; created: string; createdBy: string }[];
  };
  const lines = keys.map(
    ({ team, name, created, createdBy }) => `${team}/${name}  ${created}  ${createdBy}\n`,
  );
  return show(flags, { keys }, () => lines.join(""));
}

export async function runCreatePool(name: string, flags: FleetFlags): Promise<number> {
  const { strategy, unplanned } = flags;
  const body = { name, selector: labelsOf(flags), strategy, unplanned };
  const made = await call(flags, "POST", at("pools"), body);
  return show(flags, made as object, describeText);
}

export async function runPlanPool(pool: string, flags: FleetFlags): Promise<number> {
  const { forbid = [], require = [], accept } = flags;
  const body = { forbid, require, ...(accept === undefined ? {} : { accept }) };
  const made = (await call(flags, "POST", at("pools", pool, "plans"), body)) as PlanVersion;
  return show(flags, made, planText);
}

export async function runApprove(
  pool: string,
  version: string,
  seen: string,
  flags: FleetFlags,
): Promise<number> {
  wholeNumber(version, "the version");
  const found = (await call(flags, "GET", at("pools", pool, "plans", version))) as PlanVersion;
  const digest = requireSeen(`version ${version} of ${pool}`, seen, found.digest);
  const path = at("pools", pool, "plans", version, "approve");
  const made = await call(flags, "POST", path, { digest, atOnce: flags.atOnce === true });
  return show(flags, made as PlanVersion, planText);
}

export async function runHalt(pool: string, flags: FleetFlags): Promise<number> {
  const answer = await call(flags, "POST", at("pools", pool, "halt"), {});
  return show(flags, answer as object, describeText);
}

export async function runCordon(
  node: string,
  cordoned: boolean,
  flags: FleetFlags,
): Promise<number> {
  const answer = await call(flags, "PATCH", at("nodes", node), { cordoned });
  return show(flags, answer as object, describeText);
}

export async function runRelease(node: string, seen: string, flags: FleetFlags): Promise<number> {
  const found = (await call(flags, "GET", at("nodes", node))) as NodeView;
  const profile = requireSeen(`the profile of ${node}`, seen, found.profile);
  const answer = await call(flags, "POST", at("nodes", node, "release"), { profile });
  return show(flags, answer as object, describeText);
}

export async function runDelete(text: string, name: string, flags: FleetFlags): Promise<number> {
  const kind = listKind(text);
  if (kind !== "nodes" && kind !== "pools" && kind !== "tokens") {
    throw new CliError("USAGE", `delete takes a node, pool or token, not ${kind}`);
  }
  const strand = kind === "nodes" && flags.strand !== undefined ? `?strand=${flags.strand}` : "";
  await call(flags, "DELETE", `${at(kind, name)}${strand}`);
  return show(flags, { deleted: name }, (shown) => `deleted ${shown.deleted}\n`);
}

export async function runLogin(name: string, flags: FleetFlags): Promise<number> {
  const { server = "", tokenFile = "", caDigest } = flags;
  const token = readSecret(tokenFile).trim();
  const { pem, digest } = await fetchCa(server);
  if (caDigest !== undefined && caDigest.toLowerCase() !== digest) {
    throw new CliError("WRONG_CA", `${server} has the CA ${digest}`);
  }
  const context = { server, ca: pem, token };
  await callFleet(context, "GET", "/v1/pools");
  const path = keepContext(process.env, name, context);
  if (caDigest === undefined) {
    process.stderr.write(`evenkeel fleet: trusting the server's CA on first use: ${digest}\n`);
  }
  return show(flags, { name, server, ca: digest, file: path }, () => `saved ${name} in ${path}\n`);
}
