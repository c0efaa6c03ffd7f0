/** Sandboxes through agents: real processes of server and agents, on doubles of unlike CPUs. */
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { openPostgres, STORES } from "../../server/test/postgres.ts";
import { caller } from "../../server/test/support.ts";
import {
  contextFor,
  freePort,
  MACHINE,
  operatorOf,
  startAgent,
  startServer,
  until,
  type Json,
  type Operator,
  type TestAgent,
  type TestServer,
} from "./fleet-support.ts";
import { ROOT, temporaryDirectory } from "./run.ts";

const LIMIT = 1_200_000;
const POOL = join(ROOT, "examples/intel-pool");

/** On PostgreSQL where it is there: PGlite takes a minute to begin on a loaded machine. */
async function serverIn(directory: string): Promise<TestServer> {
  const postgres = (STORES as readonly string[]).includes("postgresql")
    ? await openPostgres()
    : undefined;
  if (postgres !== undefined) onTestFinished(async () => await postgres.stop());
  const url = await postgres?.database();
  return await startServer(join(directory, "server"), await freePort(), url);
}

async function endSandboxes(agent: TestAgent): Promise<void> {
  const { sandboxes } = await agent.call("GET", "/v1/sandboxes");
  for (const { id } of sandboxes) await agent.call("DELETE", `/v1/sandboxes/${id}`);
}

async function agentOn(
  server: TestServer,
  operator: Operator,
  directory: string,
  profile: string,
): Promise<TestAgent> {
  const { token } = await operator("POST", "/v1/join-tokens", {}, true);
  mkdirSync(directory, { recursive: true });
  const file = join(POOL, `${profile}.json`);
  const setup = { directory, profile: file, server: server.url, token, dies: true };
  const agent = await startAgent(setup);
  // Sandboxes outlive their agent on purpose. One that was started again has ended before this.
  onTestFinished(async () => await endSandboxes(agent).catch(() => undefined));
  return agent;
}

async function build(operator: Operator, agent: TestAgent, name: string): Promise<Json> {
  const readiness = { kind: "serial", text: "Debian login:", timeoutSeconds: 60 };
  // Guests boot only once the server has said what is due, be it nothing.
  await until("the node may boot guests", async () => {
    const { coldBoots } = await agent.call("GET", "/v1/health");
    return coldBoots === "refused" ? undefined : true;
  });
  await agent.call("POST", "/v1/templates", { name, machine: MACHINE, readiness });
  return await until(`${name} is known`, async () => {
    const { snapshots } = await operator("GET", "/v1/snapshots");
    return snapshots.find((one: Json) => one.name === name);
  });
}

/** What the agents themselves have of a sandbox. */
async function whereRuns(agents: readonly TestAgent[], id: string): Promise<string[]> {
  const lists = await Promise.all(
    agents.map(async (agent) => {
      const { sandboxes } = await agent.call("GET", "/v1/sandboxes");
      const own = sandboxes.find((one: Json) => one.id === id);
      return own === undefined ? [] : [`${agent.name} ${own.state}`];
    }),
  );
  return lists.flat();
}

/** What a guest has said on its console since it was resumed. */
async function saidBy({ directory }: TestAgent, id: string): Promise<string> {
  return await until("it says something", async () => {
    const text = readFileSync(join(directory, "d/vms", id, "console.log"), "utf8");
    return text === "" ? undefined : text;
  });
}

test(
  "a sandbox is created, paused, resumed on another node that can, and refused where none can",
  async () => {
    const directory = temporaryDirectory();
    const server = await serverIn(directory);
    const context = await contextFor(server);
    const operator = operatorOf(context);
    const call = caller(server.url, { ca: context.ca, token: context.token });
    const agents: TestAgent[] = [];
    for (const name of ["xeon-gold-6330-a", "xeon-gold-6330-b", "xeon-gold-6130"]) {
      agents.push(await agentOn(server, operator, join(directory, name), name));
    }
    const [a, b, old] = agents as [TestAgent, TestAgent, TestAgent];
    const base = await build(operator, a, "base");

    // The same key three times at once, and once more later: one sandbox.
    const headers = { "idempotency-key": "one" };
    const create = async (body: object, more = {}) =>
      await call("POST", "/v1/sandboxes", { from: "base", ...body }, more);
    const same = await Promise.all([1, 2, 3].map(async () => await create({}, headers)));
    expect(same.map(({ status }) => status)).toEqual([201, 201, 201]);
    const id = String(same[0]?.body.id);
    expect((await create({}, headers)).body).toMatchObject({ id, state: "running" });
    expect(new Set(same.map(({ body }) => body.id)).size).toBe(1);
    // Where the files are.
    expect(same[0]?.body).toMatchObject({ node: a.name, from: base.digest, error: null });
    const { sandboxes } = await operator("GET", "/v1/sandboxes");
    expect(sandboxes.map((one: Json) => one.id)).toEqual([id]);

    // To a node that lacks the files: they move, and only their digest counts.
    const moved = await create({ node: b.name });
    expect(moved).toMatchObject({ status: 201, body: { node: b.name, state: "running" } });
    const { snapshots } = await b.call("GET", "/v1/snapshots");
    expect(snapshots.map((one: Json) => one.digest)).toEqual([base.digest]);

    // To one that cannot run it: nothing moves, and the answer says why.
    const refused = await create({ node: old.name });
    expect([refused.status, refused.body.error.code]).toEqual([409, "NO_NODE"]);
    expect(refused.body.error.message).toContain("it needs AVX512_BITALG");
    const paths = refused.body.error.problems.map(({ path }: Json) => path);
    expect(paths).toEqual(expect.arrayContaining(["verdict", "AVX512_VBMI2", "way out"]));
    expect((await old.call("GET", "/v1/snapshots")).snapshots).toEqual([]);

    const paused = await call("POST", `/v1/sandboxes/${id}/pause`, {});
    expect(paused.body).toMatchObject({ state: "paused", node: a.name });
    expect(paused.body.snapshot).toMatch(/^[0-9a-f]{64}$/);
    expect((await call("POST", `/v1/sandboxes/${id}/pause`, {})).status).toBe(409);
    const nowhere = await call("POST", `/v1/sandboxes/${id}/resume`, { node: old.name });
    expect([nowhere.status, nowhere.body.error.code]).toEqual([409, "NO_NODE"]);
    expect(await whereRuns(agents, id)).toEqual([`${a.name} paused`]);
    const resumed = await call("POST", `/v1/sandboxes/${id}/resume`, { node: b.name });
    expect(resumed.body).toMatchObject({ state: "running", node: b.name, error: null });
    await until("it is at one node alone", async () => {
      const there = await whereRuns(agents, id);
      return there.length === 1 && there[0] === `${b.name} running` ? true : undefined;
    });
    // Paused and resumed there, it is where it was before.
    await call("POST", `/v1/sandboxes/${id}/pause`, {});
    expect((await call("POST", `/v1/sandboxes/${id}/resume`, {})).body.node).toBe(b.name);

    // A sandbox of the agent's own API is listed, and one that ends by itself is not for long.
    const own = await a.call("POST", "/v1/sandboxes", { from: "base", timeoutSeconds: 600 });
    await until("the fleet knows of it", async () => {
      const answer = await call("GET", `/v1/sandboxes/${own.id}`);
      return answer.body.state === "running" ? answer : undefined;
    });

    // Drained: what runs is paused, what others can resume moves, and the number is named.
    const dry = await call("POST", `/v1/nodes/${b.name}/drain`, { dryRun: true });
    expect(dry.body).toMatchObject({ pause: expect.arrayContaining([id]), stay: [], done: true });
    expect((await operator("GET", `/v1/nodes/${b.name}`)).cordoned).toBe(false);
    const wrong = await call("POST", `/v1/nodes/${b.name}/drain`, { strand: 1 });
    expect([wrong.status, wrong.body.error.code]).toEqual([409, "WOULD_STRAND"]);
    // One call has a limited time: it is made again until all is done.
    await until("it is drained", async () => {
      const { body } = await call("POST", `/v1/nodes/${b.name}/drain`, {});
      return body.done === true && body.failed.length === 0 ? true : undefined;
    });
    // The other node says what it holds with its next heartbeat.
    const left = await until("nothing is left to move", async () => {
      const { body } = await call("POST", `/v1/nodes/${b.name}/drain`, { dryRun: true });
      return body.move.length === 0 ? body : undefined;
    });
    expect(left).toMatchObject({ pause: [], stay: [] });
    expect((await operator("GET", `/v1/nodes/${b.name}`)).cordoned).toBe(true);
    expect((await whereRuns([b], id))[0]).toBe(`${b.name} paused`);
    const elsewhere = await call("POST", `/v1/sandboxes/${id}/resume`, {});
    expect(elsewhere.body).toMatchObject({ state: "running", node: a.name });
    expect(await saidBy(a, id)).not.toContain("invalid opcode");
    // The last two of their class: nobody else can resume what they hold.
    const last = await call("POST", `/v1/nodes/${a.name}/drain`, {});
    expect([last.status, last.body.error.code]).toEqual([409, "WOULD_STRAND"]);
    expect(last.body.error.message).toMatch(/^\d+ would stay behind/);

    const key = { "idempotency-key": "kill" };
    for (const _ of [1, 2]) {
      expect((await call("DELETE", `/v1/sandboxes/${id}`, undefined, key)).status).toBe(204);
    }
    await until("no node has any of it", async () => {
      return (await whereRuns(agents, id)).length === 0 ? true : undefined;
    });
    await until("the server has heard so", async () => {
      const { status } = await call("DELETE", `/v1/sandboxes/${id}`);
      return status === 404 ? true : undefined;
    });

    // Roles, and what is no request.
    const { token } = await operator("POST", "/v1/tokens", { name: "v", role: "view" }, true);
    const view = caller(server.url, { ca: context.ca, token });
    expect((await view("GET", "/v1/sandboxes")).status).toBe(200);
    expect((await view("POST", "/v1/sandboxes", { from: "base" })).status).toBe(403);
    const made = await operator("POST", "/v1/tokens", { name: "o", role: "operate" }, true);
    const operate = caller(server.url, { ca: context.ca, token: made.token });
    const override = { accept: "incompatible", reason: "to see it die" };
    const against = { from: "base", node: old.name, override };
    expect((await operate("POST", "/v1/sandboxes", against)).status).toBe(403);
    expect((await create({ override })).status).toBe(400);
    expect((await create({ colour: "red" })).status).toBe(400);
    expect((await create({ from: "none" })).status).toBe(404);
    // Against the verdict, by who may: the guest dies of it, as foretold.
    const { body: doomed } = await call("POST", "/v1/sandboxes", against);
    expect(await saidBy(old, doomed.id)).toContain("invalid opcode");
  },
  LIMIT,
);

test(
  "an agent and the server that are killed lose nothing that was asked for",
  async () => {
    const directory = temporaryDirectory();
    const server = await serverIn(directory);
    const context = await contextFor(server);
    const operator = operatorOf(context);
    const call = caller(server.url, { ca: context.ca, token: context.token });
    const a = await agentOn(server, operator, join(directory, "a"), "xeon-gold-6330-a");
    await build(operator, a, "base");
    // Asked while the agent is down: done when it is back, once.
    await a.stop();
    const headers = { "idempotency-key": "while-down" };
    const ask = async () => await call("POST", "/v1/sandboxes", { from: "base" }, headers);
    const asked = ask().catch(() => undefined);
    await until("it is written down", async () => {
      const { sandboxes } = await operator("GET", "/v1/sandboxes");
      return sandboxes.length === 1 ? true : undefined;
    });
    await server.kill();
    await asked;
    await server.start();
    await a.crash();
    const again = await until("it is done", async () => {
      const answer = await ask();
      return answer.status === 201 ? answer : undefined;
    });
    expect(again.body.state).toBe("running");
    expect((await a.call("GET", "/v1/sandboxes")).sandboxes).toHaveLength(1);
    await endSandboxes(a);
  },
  LIMIT,
);
