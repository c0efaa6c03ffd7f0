/**
 * The fleet service at the size of a large fleet, on a real PostgreSQL: 10,000 nodes of 30 kinds,
 * 5,000 contracts, 200,000 snapshots that nodes hold. The server is a process of its own, as
 * `evenkeel serve` is; nodes and callers speak TLS to it.
 * `tsx --conditions=@evenkeel/source bench/fleet-server.ts [nodes]`
 */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { Agent, request } from "node:https";
import { createServer as createSocket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import {
  contractDigest,
  contractToJson,
  predictContract,
  prettyJson,
  profileDigest,
  profileToJson,
  verdictKey,
  type NodeProfile,
} from "@evenkeel/core";
import { connectTo, openPostgres } from "../packages/server/test/postgres.ts";
import { makeKeys } from "../packages/server/test/support.ts";
import { copyNodes, fleetProfiles } from "./fleet.ts";
import { machine } from "./measure.ts";

const NODES = Number(process.argv[2] ?? 10_000);
const KINDS = 30;
const CONTRACTS = 5000;
const HELD = NODES * 20;
const SPEAKERS = 24;
const SECONDS = 20;

const root = fileURLToPath(new URL("..", import.meta.url));
const CLI = join(root, "packages/cli/bin/evenkeel.js");

function row(what: string, figure: string): void {
  process.stdout.write(`${what.padEnd(62)} ${figure}\n`);
}

function quantile(all: readonly number[], share: number): number {
  const sorted = all.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

async function freePort(): Promise<number> {
  const socket = createSocket();
  await new Promise<void>((settle) => socket.listen(0, "127.0.0.1", settle));
  const address = socket.address();
  await new Promise((settle) => socket.close(settle));
  return typeof address === "object" && address !== null ? address.port : 0;
}

/** Seconds of a process's own time, by /proc; resident MiB. */
function usage(pid: number): { readonly cpu: number; readonly mib: number } {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  const ticks = Number(fields[11]) + Number(fields[12]);
  return { cpu: ticks / 100, mib: (Number(fields[21]) * 4096) / 2 ** 20 };
}

/** No two are alike to a verdict where there are enough sizes, templates and releases. */
function contractsOf(profiles: readonly NodeProfile[]) {
  const made = new Map<string, object>();
  for (let i = 0; made.size < CONTRACTS && i < CONTRACTS * 3; i++) {
    const profile = profiles[i % profiles.length];
    if (profile === undefined) break;
    const step = Math.floor(i / profiles.length);
    const options = { firecracker: "1.14.1", vcpus: 1 + (step % 32), smt: false };
    const result = predictContract(profile, options);
    if (!result.ok) continue;
    const contract = { ...result.contract, template: `t${Math.floor(step / 32)}` };
    made.set(contractDigest(contract), contractToJson(contract));
  }
  return made;
}

interface Answer {
  readonly status: number;
  readonly text: string;
}

function caller(base: string, options: object) {
  const agent = new Agent({ keepAlive: true, maxSockets: 1, ...options });
  return async (
    method: string,
    path: string,
    body?: unknown,
    headers: object = {},
  ): Promise<Answer> =>
    await new Promise((settle, fail) => {
      const text = body === undefined ? undefined : JSON.stringify(body);
      const type = text === undefined ? {} : { "content-type": "application/json" };
      const sent = request(
        new URL(path, base),
        { method, agent, headers: { ...type, ...headers } },
        (response) => {
          const parts: Buffer[] = [];
          response.on("data", (part: Buffer) => parts.push(part));
          response.on("error", fail);
          response.on("end", () =>
            settle({ status: response.statusCode ?? 0, text: Buffer.concat(parts).toString() }),
          );
        },
      );
      sent.on("error", fail);
      sent.end(text);
    });
}

type Call = ReturnType<typeof caller>;

const PROFILES = fleetProfiles(KINDS, KINDS);

/** Nodes as copies of one that joined for each kind, and what they hold, straight into the store. */
async function fill(
  client: Awaited<ReturnType<typeof connectTo>>,
  contracts: readonly string[],
): Promise<void> {
  await copyNodes(client, { nodes: NODES, kinds: KINDS });
  await client.query(
    `insert into held_snapshots (node, name, digest, kind, contract, memory_mib, bytes, created)
     select n.id, 's-' || s, encode(sha256((n.id || s)::bytea), 'hex'), 'sandbox',
       ($1::text[])[1 + (hashtext(n.id || s) & 1048575) % ${contracts.length}], 512, 1000, now()
     from nodes n, generate_series(1, ${Math.ceil(HELD / NODES)}) s`,
    [contracts],
  );
  await client.query("analyze");
}

async function joinKinds(pid: number, base: string, token: string) {
  const call = caller(base, { rejectUnauthorized: false });
  const headers = { authorization: `Bearer ${token}` };
  const joined: { profile: NodeProfile; call: Call; ms: number }[] = [];
  for (const profile of PROFILES) {
    const made = JSON.parse((await call("POST", "/v1/join-tokens", {}, headers)).text);
    const { csr, key } = await makeKeys();
    const secret = String(made.token).split(".")[1];
    const at = usage(pid).cpu;
    const answer = await call("POST", "/v1/join", { secret, csr, profile: profileToJson(profile) });
    const ms = (usage(pid).cpu - at) * 1000;
    if (answer.status !== 201) throw new Error(answer.text);
    const cert = String(JSON.parse(answer.text).certificate);
    joined.push({ profile, call: caller(base, { rejectUnauthorized: false, cert, key }), ms });
  }
  return joined;
}

async function measureHeartbeats(pid: number, nodes: Awaited<ReturnType<typeof joinKinds>>) {
  const bodies = nodes.map(({ profile }, i) => ({
    profile: profileDigest(profile),
    snapshots: createHash("sha256").update("").digest("hex"),
    capacity: { sandboxes: i, maxSandboxes: 100, memoryMib: 1, maxMemoryMib: 65_536 },
  }));
  const speakers = nodes.slice(0, SPEAKERS);
  await Promise.all(
    speakers.map(async ({ call }, i) => {
      await call("PUT", "/v1/node/snapshots", { digest: bodies[i]?.snapshots, snapshots: [] });
      await call("POST", "/v1/node/heartbeat", bodies[i]);
    }),
  );
  await sleep(2500);
  const before = usage(pid).cpu;
  let beats = 0;
  let refused = 0;
  const began = performance.now();
  const every = (SPEAKERS / (NODES / 5)) * 1000;
  await Promise.all(
    speakers.map(async ({ call }, i) => {
      for (let n = 0; performance.now() - began < SECONDS * 1000; n++) {
        const wait = began + n * every - performance.now();
        if (wait > 0) await sleep(wait);
        const { status, text } = await call("POST", "/v1/node/heartbeat", bodies[i]);
        beats += 1;
        if (status !== 200 && refused++ === 0) row("  refused", text);
      }
    }),
  );
  const seconds = (performance.now() - began) / 1000;
  const share = (usage(pid).cpu - before) / seconds;
  return {
    perSecond: beats / seconds,
    refused,
    share,
    each: ((usage(pid).cpu - before) / beats) * 1e6,
  };
}

async function measurePlacements(pid: number, base: string, token: string, digests: string[]) {
  const headers = { authorization: `Bearer ${token}` };
  const callers = Array.from({ length: 8 }, () => caller(base, { rejectUnauthorized: false }));
  const ask = (i: number) => ({ contract: digests[(i * 31) % digests.length], memoryMib: 512 });
  await callers[0]?.("POST", "/v1/placements", ask(0), headers);
  const one = callers[0];
  const single: number[] = [];
  for (let i = 0; i < 3000; i++) {
    const at = performance.now();
    await one?.("POST", "/v1/placements", ask(i), headers);
    single.push(performance.now() - at);
  }
  const before = usage(pid).cpu;
  const began = performance.now();
  let asked = 0;
  let found = 0;
  const times: number[] = [];
  await Promise.all(
    callers.map(async (call, c) => {
      for (let i = c; performance.now() - began < SECONDS * 1000; i += callers.length) {
        const at = performance.now();
        const { status, text } = await call("POST", "/v1/placements", ask(i), headers);
        times.push(performance.now() - at);
        asked += 1;
        if (status === 200 && JSON.parse(text).eligible > 0) found += 1;
      }
    }),
  );
  const seconds = (performance.now() - began) / 1000;
  const cpu = usage(pid).cpu - before;
  return { single, times, perSecond: asked / seconds, perCpu: asked / cpu, found: found / asked };
}

const directory = mkdtempSync(join(tmpdir(), "ek-bench-"));
const postgres = await openPostgres();
const databaseUrl = await postgres.database();
const port = await freePort();
const base = `https://127.0.0.1:${port}`;
const server = spawn(
  process.execPath,
  [CLI, "serve", "--data-dir", directory, "--listen", `127.0.0.1:${port}`, "--log-level", "warn"],
  { env: { ...process.env, EVENKEEL_DATABASE_URL: databaseUrl }, stdio: ["ignore", 2, "pipe"] },
);
let log = "";
server.stderr?.on("data", (part: Buffer) => {
  log += part.toString();
});
try {
  row("machine", machine());
  row("date", new Date().toISOString().slice(0, 10));
  while (!log.includes("listens on")) {
    if (server.exitCode !== null) throw new Error(log);
    await sleep(100);
  }
  const pid = server.pid ?? 0;
  const token = readFileSync(join(directory, "operator.token"), "utf8").trim();
  const contracts = contractsOf(PROFILES);
  const client = await connectTo(databaseUrl);
  await client.query(
    `insert into contracts (digest, contract, arch, vendor, firecracker, node, reported_by, created)
     select d, c, 'x86_64', 'intel', '1.14.1', 'n', 'token:bench', now()
     from unnest($1::text[], $2::text[]) as t (d, c)`,
    [[...contracts.keys()], [...contracts.values()].map((one) => prettyJson(one))],
  );
  row("kinds of nodes, contracts", `${new Set(PROFILES.map(verdictKey)).size}, ${contracts.size}`);
  const nodes = await joinKinds(pid, base, token);
  row(
    "a new kind joins, CPU: the first, the median of the others",
    `${(nodes[0]?.ms ?? 0).toFixed(0)} ms, ${quantile(
      nodes.slice(1).map(({ ms }) => ms),
      0.5,
    ).toFixed(0)} ms`,
  );
  await fill(client, [...contracts.keys()]);
  await client.end();
  const beats = await measureHeartbeats(pid, nodes);
  row(
    `heartbeats per second, of ${NODES} nodes every 5 s`,
    `${beats.perSecond.toFixed(0)}, ${beats.refused} refused`,
  );
  row("  of one core (limit 0.5)", `${beats.share.toFixed(2)}, ${beats.each.toFixed(0)} µs each`);
  const placed = await measurePlacements(pid, base, token, [...contracts.keys()]);
  row(
    "a placement, one at a time, p50, p99 (limit 5 ms)",
    `${quantile(placed.single, 0.5).toFixed(2)} ms, ${quantile(placed.single, 0.99).toFixed(2)} ms`,
  );
  row(
    "  8 callers, p50, p99",
    `${quantile(placed.times, 0.5).toFixed(2)} ms, ${quantile(placed.times, 0.99).toFixed(2)} ms`,
  );
  row(
    "  per second, per second of the server's CPU (limit 2,000)",
    `${placed.perSecond.toFixed(0)}, ${placed.perCpu.toFixed(0)}; ${(placed.found * 100).toFixed(0)} % placed`,
  );
  row(
    `memory of the server, ${HELD} snapshots held (limit 512 MiB)`,
    `${usage(pid).mib.toFixed(0)} MiB`,
  );
} finally {
  server.kill("SIGTERM");
  await postgres.stop();
  rmSync(directory, { recursive: true, force: true });
}
process.exit();
