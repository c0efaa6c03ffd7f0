/** `evenkeel fleet`: calls of the fleet's API, rendered. */
import type { Placement, PlanVersion } from "@evenkeel/api";
import { prettyJson } from "@evenkeel/core";
import { CliError } from "../errors.ts";
import { callFleet, fetchCa } from "../fleet/call.ts";
import { contextOf, keepContext } from "../fleet/contexts.ts";
import { LISTS, type ListKind } from "../fleet/lists.ts";
import { readSecret } from "../input/secret.ts";
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
  readonly forbid?: readonly string[];
  readonly require?: readonly string[];
  readonly accept?: string;
  readonly strand?: string;
  readonly output?: string;
  readonly watch?: boolean;
}

export function show(flags: FleetFlags, answer: unknown, text: () => string): number {
  process.stdout.write(flags.json === true ? prettyJson(answer) : text());
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

export function wholeNumber(text: string, option: string): number {
  if (/^[1-9]\d{0,9}$/.test(text)) return Number(text);
  throw new CliError("USAGE", `${option} must be a whole number from 1, but is "${text}"`);
}

/** `node`, `nodes`. */
function listKind(text: string): ListKind {
  const found = LISTS.find((kind) => kind === text || kind === `${text}s` || kind === `${text}es`);
  if (found !== undefined) return found;
  throw new CliError("USAGE", `there is no kind "${text}": ${LISTS.join(", ")}`);
}

/** Plans are a pool's; all pools' where none is named. */
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
    return show(flags, { ...node, history }, () => describeText({ ...node, history }));
  }
  const path = kind === "plans" ? at("pools", name, "plans", version ?? "") : at(kind, name);
  if (kind !== "plans" && kind !== "pools" && kind !== "contracts") {
    throw new CliError("USAGE", `describe takes a node, pool, plan or contract, not ${kind}`);
  }
  if (kind === "plans" && version === undefined) {
    throw new CliError("USAGE", "describe plan takes a pool and a version");
  }
  const answer = await call(flags, "GET", path);
  return show(flags, answer, () => describeText(answer as object));
}

/** 1 where no node can: the answer is no. */
export async function runPlace(digest: string, flags: FleetFlags): Promise<number> {
  const { snapshots } = (await call(flags, "GET", at("snapshots"))) as {
    snapshots: { digest: string; name: string }[];
  };
  const snapshot = snapshots.find((one) => one.digest === digest || one.name === digest)?.digest;
  const { memory, pool } = flags;
  const placement = (await call(flags, "POST", at("placements"), {
    ...(snapshot === undefined ? { contract: digest } : { snapshot }),
    ...(memory === undefined ? {} : { memoryMib: wholeNumber(memory, "--memory") }),
    ...(pool === undefined ? {} : { pool }),
    labels: labelsOf(flags),
  })) as Placement;
  show(flags, placement, () => placementText(placement));
  return placement.eligible > 0 ? 0 : 1;
}

export async function runJoinToken(flags: FleetFlags): Promise<number> {
  const body = { ttlSeconds: wholeNumber(flags.ttl ?? "", "--ttl"), labels: labelsOf(flags) };
  const made = (await call(flags, "POST", at("join-tokens"), body, { secret: true })) as {
    token: string;
  };
  return show(flags, made, () => `${made.token}\n`);
}

export async function runCreatePool(name: string, flags: FleetFlags): Promise<number> {
  const { strategy } = flags;
  const body = { name, selector: labelsOf(flags), strategy };
  const made = await call(flags, "POST", at("pools"), body);
  return show(flags, made, () => describeText(made as object));
}

export async function runPlanPool(pool: string, flags: FleetFlags): Promise<number> {
  const { forbid = [], require = [], accept } = flags;
  const body = { forbid, require, ...(accept === undefined ? {} : { accept }) };
  const made = (await call(flags, "POST", at("pools", pool, "plans"), body)) as PlanVersion;
  return show(flags, made, () => planText(made));
}

export async function runApprove(
  pool: string,
  version: string,
  flags: FleetFlags,
): Promise<number> {
  wholeNumber(version, "the version");
  const made = await call(flags, "POST", at("pools", pool, "plans", version, "approve"), {});
  return show(flags, made, () => planText(made as PlanVersion));
}

export async function runOnNode(
  verb: "cordon" | "uncordon" | "release",
  node: string,
  flags: FleetFlags,
): Promise<number> {
  const answer =
    verb === "release"
      ? await call(flags, "POST", at("nodes", node, "release"), {})
      : await call(flags, "PATCH", at("nodes", node), { cordoned: verb === "cordon" });
  return show(flags, answer, () => describeText(answer as object));
}

export async function runDelete(text: string, name: string, flags: FleetFlags): Promise<number> {
  const kind = listKind(text);
  if (kind !== "nodes" && kind !== "pools" && kind !== "tokens") {
    throw new CliError("USAGE", `delete takes a node, pool or token, not ${kind}`);
  }
  const strand = kind === "nodes" && flags.strand !== undefined ? `?strand=${flags.strand}` : "";
  await call(flags, "DELETE", `${at(kind, name)}${strand}`);
  return show(flags, { deleted: name }, () => `deleted ${name}\n`);
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
    process.stderr.write(`evenkeel fleet: the server's CA, taken on trust: ${digest}\n`);
  }
  return show(flags, { name, server, ca: digest, file: path }, () => `${name} is in ${path}\n`);
}
