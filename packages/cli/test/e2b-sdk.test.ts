/**
 * E2B's own SDK, as it is on npm, against this server: sandboxes are real guests in QEMU, with
 * Node.js and this project's guest agent, on two nodes with unlike CPUs.
 */
import { execFile } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { createServer, type Server } from "@evenkeel/server";
import { formatTemplate, planPool } from "@evenkeel/core";
import { expect, onTestFinished, test } from "vitest";
import { missingGuest } from "../../agent/test/network-guest.ts";
import { enter, makeHost, makeWorld, missingForNamespaces } from "../../host/test/namespaces.ts";
import { openPostgres, STORES } from "../../server/test/postgres.ts";
import { caller, type Call } from "../../server/test/support.ts";
import { freePort, until, type Json } from "./fleet-support.ts";
import { MACHINE, makeNodeGuest, probeNodes, READINESS, startEmulated } from "./e2b-guest.ts";
import { ROOT, temporaryDirectory } from "./run.ts";
import type { Agent } from "@evenkeel/agent";

const DOMAIN = "sandboxes.example";
const CPUS = [
  { name: "greater", cpu: "Haswell-noTSX" },
  { name: "lesser", cpu: "Haswell-noTSX,-avx2,-bmi2" },
];

const run = promisify(execFile);

/** Stands in for DNS: all names are this machine's. Loaded before the SDK, which stays as it is. */
const RESOLVER = `data:text/javascript,${encodeURIComponent(
  `import dns from "node:dns";
   dns.lookup = (name, options, done = options) =>
     options?.all ? done(null, [{ address: "127.0.0.1", family: 4 }]) : done(null, "127.0.0.1", 4);`,
)}`;

interface Client {
  (part: string, what: string): Promise<Json>;
}

/** E2B's SDK in a process of its own, with what a user sets and no more. */
function client(ca: string, env: Readonly<Record<string, string>>): Client {
  return async (part, what) => {
    const script = join(ROOT, "packages/cli/test/e2b-client.mjs");
    const args = ["--import", RESOLVER, script, part, what];
    const clean = { PATH: process.env["PATH"] ?? "", NODE_EXTRA_CA_CERTS: ca };
    const { stdout } = await run(process.execPath, args, {
      env: { ...clean, ...env },
      timeout: 280_000,
    });
    return JSON.parse(stdout);
  };
}

async function startServer(directory: string, port: number): Promise<Server> {
  const isPostgres = (STORES as readonly string[]).includes("postgresql");
  const postgres = isPostgres ? await openPostgres() : undefined;
  if (postgres !== undefined) onTestFinished(async () => await postgres.stop());
  const server = await createServer({
    directory,
    databaseUrl: await postgres?.database(),
    e2b: { domain: DOMAIN, listen: { host: "127.0.0.1", port: 443 } },
  });
  onTestFinished(async () => await server.close());
  await server.app.listen({ host: "127.0.0.1", port });
  return server;
}

interface Fleet {
  readonly operator: Call;
  readonly agents: readonly [Agent, Agent];
  readonly ca: string;
  readonly keyOf: (team: string) => Promise<string>;
}

async function askAgent({ app }: Agent, method: "GET" | "POST", url: string, payload?: object) {
  const response = await app.inject({ method, url, ...(payload === undefined ? {} : { payload }) });
  if (response.statusCode >= 300) throw new Error(`${url}: ${response.body}`);
  return response.json();
}

async function startFleet(directory: string): Promise<Fleet & { plan: () => Json }> {
  const images = await makeNodeGuest(join(directory, "guest"));
  const nodes = await probeNodes(CPUS, images.kernel);
  const port = await freePort();
  await startServer(join(directory, "server"), port);
  const url = `https://127.0.0.1:${port}`;
  const { body } = await caller(url, {})("GET", "/v1/ca");
  const ca = join(directory, "ca.pem");
  writeFileSync(ca, body.certificate);
  const token = readFileSync(join(directory, "server/operator.token"), "utf8").trim();
  const operator = caller(url, { ca: body.certificate, token });
  const agents: Agent[] = [];
  for (const [i, node] of nodes.entries()) {
    const joining = await operator("POST", "/v1/join-tokens", {});
    const agent = await startEmulated(node, {
      directory: join(directory, node.probed.name),
      images,
      server: url,
      join: joining.body.token,
      network: `10.21${4 + i}.0.0/24`,
      firstId: 0x7300_0000 + i * 200_000,
    });
    onTestFinished(async () => {
      for (const { id } of (await askAgent(agent, "GET", "/v1/sandboxes")).sandboxes) {
        await agent.app.inject({ method: "DELETE", url: `/v1/sandboxes/${id}` });
      }
      await agent.close();
    });
    agents.push(agent);
  }
  const profiles = nodes.map(({ probed }) => probed.profile);
  return {
    operator,
    ca,
    agents: agents as [Agent, Agent],
    keyOf: async (team) =>
      (await operator("POST", "/v1/e2b-keys", { team, name: "test" })).body.key as string,
    plan: () => {
      const planned = planPool(profiles, { identity: "oldest", firecracker: ["qemu-7.2"] });
      if (!planned.ok) throw new Error("the two nodes cannot be planned together");
      return planned.plan.classes.find(({ nodeClass }) => nodeClass.nodes.includes("greater"));
    },
  };
}

async function build({ operator, agents }: Fleet, name: string, cpu?: object): Promise<void> {
  const machine = { ...MACHINE, ...(cpu === undefined ? {} : { cpu }) };
  await until("the node may boot guests", async () => {
    const { coldBoots } = await askAgent(agents[0], "GET", "/v1/health");
    return coldBoots === "refused" ? undefined : true;
  });
  await askAgent(agents[0], "POST", "/v1/templates", { name, machine, readiness: READINESS });
  await until(`${name} is known`, async () => {
    const { body } = await operator("GET", "/v1/snapshots");
    return body.snapshots.some((one: Json) => one.name === name) ? true : undefined;
  });
}

async function cordon({ operator }: Fleet, name: string, cordoned: boolean): Promise<void> {
  const { status } = await operator("PATCH", `/v1/nodes/${name}`, { cordoned });
  expect(status).toBe(200);
}

function missing(): string | undefined {
  return missingForNamespaces() ?? (process.env["CI"] === undefined ? missingGuest() : undefined);
}

/** Two nodes, their server, and clients of two teams. */
async function begin(skip: (why: string) => void) {
  const why = missing();
  if (why !== undefined) skip(why);
  enter(makeHost(makeWorld(), 1));
  const fleet = await startFleet(temporaryDirectory());
  const { ca, keyOf } = fleet;
  const [acme, rival] = [await keyOf("acme"), await keyOf("rival")];
  const urls = { E2B_API_URL: "https://localhost", E2B_SANDBOX_URL: "https://localhost" };
  return {
    fleet,
    byName: client(ca, { E2B_API_KEY: acme, E2B_DOMAIN: DOMAIN }),
    byUrl: client(ca, { E2B_API_KEY: acme, ...urls }),
    stranger: client(ca, { E2B_API_KEY: rival, E2B_DOMAIN: DOMAIN }),
  };
}

test("create, commands, files, pause, connect, kill through the SDK; refused where the CPU lacks a feature", async ({
  skip,
}) => {
  const { fleet, byName, byUrl, stranger } = await begin(skip);

  // As each node's CPU is.
  await build(fleet, "plain");
  await cordon(fleet, "lesser", true);
  const first = await byName("begin", "plain");
  expect(first).toMatchObject({
    node: `${process.version}\nhello\n`,
    failed: { exitCode: 3, stderr: "no\n" },
    written: "/work/a.txt",
    read: "text of a",
    list: [{ name: "a.txt", type: "file", size: 9 }],
    there: [false, true],
    cat: "to cat\n",
    info: { state: "running", metadata: { user: "a b", run: "1" }, cpuCount: 1, memoryMB: 512 },
    extended: true,
    running: true,
    paused: true,
    pausedAgain: false,
    state: "paused",
    runningPaused: false,
  });
  expect(first.listed).toEqual([first.id]);
  expect(first.events).toContain("create a.txt");
  expect(first.events).toContain("create b.txt");

  // Nobody else's.
  const strange = await stranger("strange", first.id);
  expect(strange).toMatchObject({ listed: 0, killed: false });
  for (const what of ["info", "connect", "paused"]) {
    expect(strange[what].error).toBe("SandboxNotFoundError");
  }

  // The bug report: where only the lesser node is left, the snapshot is refused, by the feature's name.
  await cordon(fleet, "lesser", false);
  await cordon(fleet, "greater", true);
  const refused = await byName("connect", first.id);
  expect(refused.message).toContain("AVX2");
  expect(refused.message).toContain("way out");
  const { message } = await byName("volumes", "plain");
  expect(message).toContain("volumeMounts: not implemented");
  await cordon(fleet, "greater", false);
  expect(await byUrl("goOn", first.id)).toEqual({
    read: "text of a",
    ran: "still here\n",
    metrics: 1,
    killed: true,
    killedAgain: false,
    running: false,
  });
}, 1_200_000);

test("with the plan's guest CPU, a sandbox paused on one node is connected to on another", async ({
  skip,
}) => {
  const { fleet, byName, byUrl } = await begin(skip);
  const template = JSON.parse(formatTemplate(fleet.plan().template));
  await build(fleet, "planned", { kind: "template", name: "plan", template });
  await cordon(fleet, "lesser", true);
  const second = await byUrl("begin", "planned");
  await cordon(fleet, "lesser", false);
  await cordon(fleet, "greater", true);
  const moved = await byName("goOn", second.id);
  expect(moved).toMatchObject({ read: "text of a", ran: "still here\n", killed: true });
}, 1_200_000);
