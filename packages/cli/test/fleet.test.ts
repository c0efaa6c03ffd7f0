/** The fleet from end to end: `evenkeel serve`, `agent` and `fleet` as processes, on both stores. */
import { mkdirSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, onTestFinished, test } from "vitest";
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
import { CLX, evenkeel, ICX, temporaryDirectory } from "./run.ts";

const LIMIT = 1_200_000;

async function serverOn(store: string, directory: string): Promise<TestServer> {
  const postgres = store === "postgresql" ? await openPostgres() : undefined;
  if (postgres !== undefined) onTestFinished(async () => await postgres.stop());
  return await startServer(join(directory, "server"), await freePort(), await postgres?.database());
}

async function agentOn(
  server: TestServer,
  operator: Operator,
  directory: string,
  profile: string,
): Promise<TestAgent> {
  const labels = { pool: "mixed" };
  const { token } = await operator("POST", "/v1/join-tokens", { labels }, true);
  mkdirSync(directory, { recursive: true });
  return await startAgent({ directory, profile, server: server.url, token });
}

async function nodeOf(operator: Operator, { name }: TestAgent): Promise<Json> {
  return await operator("GET", `/v1/nodes/${name}`);
}

async function untilReady(operator: Operator, agent: TestAgent): Promise<Json> {
  return await until(`${agent.name} is ready`, async () => {
    const node = await nodeOf(operator, agent);
    return node.state === "ready" && node.capacity.maxSandboxes > 0 ? node : undefined;
  });
}

/** Builds a template, and waits until the server knows of it. */
async function build(operator: Operator, agent: TestAgent, name: string): Promise<Json> {
  const readiness = { kind: "serial", text: "Debian login:", timeoutSeconds: 60 };
  const made = await agent.call("POST", "/v1/templates", { name, machine: MACHINE, readiness });
  expect(made).toMatchObject({ name, kind: "template" });
  return await until(`${name} is known`, async () => {
    const { snapshots } = await operator("GET", "/v1/snapshots");
    return snapshots.find((one: Json) => one.name === name);
  });
}

/** Copies a snapshot from node to node, through the agents' own API. */
async function copy(from: TestAgent, to: TestAgent, name: string): Promise<void> {
  const socket = ({ directory }: TestAgent) => join(directory, "a.sock");
  await new Promise<void>((settle, fail) => {
    const path = `/v1/snapshots/${name}/export`;
    request({ socketPath: socket(from), path }, (tar) => {
      const headers = { "content-type": "application/x-tar" };
      const put = request(
        {
          socketPath: socket(to),
          path: `/v1/snapshots/${name}`,
          method: "PUT",
          headers,
        },
        (answer) => {
          answer.resume();
          answer.on("end", () =>
            answer.statusCode === 201 ? settle() : fail(new Error(`${answer.statusCode}`)),
          );
        },
      );
      put.on("error", fail);
      tar.pipe(put);
    })
      .on("error", fail)
      .end();
  });
}

function inOrder(names: readonly string[]): string[] {
  return names.toSorted((a, b) => (a < b ? -1 : 1));
}

describe.each(STORES)("on %s", (store) => {
  test(
    "unlike nodes join; a snapshot is placed where it can resume, and with a plan on either",
    { timeout: LIMIT },
    async () => {
      const directory = temporaryDirectory();
      const server = await serverOn(store, directory);
      const operator = operatorOf(await contextFor(server));
      const clx = await agentOn(server, operator, join(directory, "clx"), CLX);
      const icx = await agentOn(server, operator, join(directory, "icx"), ICX);
      for (const agent of [clx, icx]) {
        await untilReady(operator, agent);
        await until(`${agent.name} was told`, async () =>
          (await agent.call("GET", "/v1/health")).coldBoots === "own" ? true : undefined,
        );
      }

      const alone = await build(operator, icx, "alone");
      const ask = async (snapshot: string) =>
        await operator("POST", "/v1/placements", { snapshot });
      const before = await ask(alone.digest);
      expect(before.nodes.map(({ name }: Json) => name)).toEqual([icx.name]);
      expect(before.filters).toEqual([{ filter: "verdict", nodes: 1 }]);

      const selector = { pool: "mixed" };
      await operator("POST", "/v1/pools", { name: "mixed", selector });
      // A pool's first plan is due before its nodes boot anything: never silently the host's CPU.
      for (const agent of [clx, icx]) {
        const health = await until(`${agent.name} refuses`, async () => {
          const now = await agent.call("GET", "/v1/health");
          return now.coldBoots === "refused" ? now : undefined;
        });
        expect(health.coldBootsWhy).toBe("pool mixed has no approved plan");
        const refused = await agent.call("POST", "/v1/sandboxes", { machine: MACHINE });
        expect(refused.error).toMatchObject({ code: "NO_PLAN", message: health.coldBootsWhy });
        await until("the server knows", async () =>
          (await nodeOf(operator, agent)).planError === null ? undefined : true,
        );
      }
      const plan = await operator("POST", "/v1/pools/mixed/plans", {});
      await operator("POST", `/v1/pools/mixed/plans/${plan.version}/approve`, {
        digest: plan.digest,
      });
      for (const agent of [clx, icx]) {
        await until(`${agent.name} applies the plan`, async () =>
          (await nodeOf(operator, agent)).plan?.digest === plan.digest ? true : undefined,
        );
        expect((await agent.call("GET", "/v1/health")).cpu).toMatch(/^templates\//);
      }
      const planned = await build(operator, icx, "planned");
      const after = await ask(planned.digest);
      expect(after.nodes.map(({ name, holdsFiles }: Json) => [name, holdsFiles])).toEqual([
        [icx.name, true],
        [clx.name, false],
      ]);
      const { contracts } = await operator("GET", "/v1/contracts");
      expect(contracts.map((one: Json) => one.plan)).toEqual([null, plan.digest]);

      // What placement says, the node's own gate says: on the node that was left out, and on the one
      // that was found.
      for (const name of ["alone", "planned"]) await copy(icx, clx, name);
      const resume = async (id: string, from: string) =>
        await clx.call("POST", "/v1/sandboxes", { id, from });
      expect((await resume("a", "alone")).error?.code).toBe("RESUME_REFUSED");
      expect((await resume("b", "planned")).state).toBe("running");
      const held = await until("the copy is known", async () => {
        const { snapshots } = await operator("GET", "/v1/snapshots");
        const found = snapshots.find((one: Json) => one.name === "planned");
        return found?.nodes.length === 2 ? found : undefined;
      });
      expect(held.resumable).toBe(2);

      // Without a server, and started again, the plan holds and the sandbox runs.
      await server.kill();
      await clx.crash();
      expect((await clx.call("GET", "/v1/health")).cpu).toMatch(/^templates\//);
      expect((await clx.call("GET", "/v1/sandboxes/b")).state).toBe("running");
      await server.start();
      await untilReady(operator, clx);
      // A server that comes up between two heartbeats has the one from before the sandbox was found.
      const node = await until("its sandbox counts", async () => {
        const now = await nodeOf(operator, clx);
        return now.capacity.sandboxes === 1 ? now : undefined;
      });
      expect(node.plan.digest).toBe(plan.digest);

      // A node that is deleted is out, and its sandbox is its own.
      await operator("DELETE", `/v1/nodes/${clx.name}`);
      await until("it is refused", async () =>
        clx.log().includes("UNAUTHORIZED") ? true : undefined,
      );
      expect((await clx.call("GET", "/v1/sandboxes/b")).state).toBe("running");
      await clx.call("DELETE", "/v1/sandboxes/b");
    },
  );

  test(
    "killed at random points, the server loses nothing that it acknowledged and does nothing twice",
    { timeout: LIMIT },
    async () => {
      const kills = Number(process.env["EVENKEEL_CHAOS_KILLS"] ?? 4);
      const directory = temporaryDirectory();
      const server = await serverOn(store, directory);
      const context = await contextFor(server);
      const operator = operatorOf(context);
      const agent = await agentOn(server, operator, join(directory, "n"), ICX);
      const { id } = await untilReady(operator, agent);
      await until("it was told", async () =>
        (await agent.call("GET", "/v1/health")).coldBoots === "own" ? true : undefined,
      );
      await build(operator, agent, "base");
      await agent.call("POST", "/v1/sandboxes", { id: "steady", from: "base" });

      const call = caller(server.url, context);
      const acknowledged = new Set<string>();
      const stop = new AbortController();
      const wrong: unknown[] = [];
      /** Asks until it is answered, with the same key each time. */
      const ask = async (name: string): Promise<boolean> => {
        const pool = { name, selector: { only: name } };
        const headers = { "idempotency-key": name };
        while (!stop.signal.aborted) {
          const answer = await call("POST", "/v1/pools", pool, headers).catch(() => undefined);
          if (answer !== undefined && answer.status < 500) {
            if (answer.status !== 201) wrong.push([name, answer]);
            return answer.status === 201;
          }
          await sleep(20);
        }
        return false;
      };
      const work = async (worker: number) => {
        for (let n = 0; !stop.signal.aborted; n++) {
          const name = `p-${worker}-${n}`;
          if (await ask(name)) acknowledged.add(name);
        }
      };
      const workers = [0, 1, 2].map(work);
      for (let kill = 0; kill < kills; kill++) {
        await sleep(200 + Math.random() * 1500);
        await server.crash();
        if (kill % 2 === 1) await agent.crash();
      }
      stop.abort();
      await Promise.all(workers);

      expect(wrong).toEqual([]);
      const { pools } = await operator("GET", "/v1/pools");
      const names: string[] = pools.map(({ name }: Json) => name);
      expect(new Set(names).size).toBe(names.length);
      expect([...acknowledged].filter((name) => !names.includes(name))).toEqual([]);
      expect(acknowledged.size).toBeGreaterThan(kills);
      // Everything that was done is in the audit log once; what is there was asked for.
      const entries: Json[] = [];
      for (let before: number | undefined; ;) {
        const query = before === undefined ? "" : `&before=${before}`;
        const page = await operator("GET", `/v1/audit?limit=1000${query}`);
        entries.push(...page.entries);
        if (page.entries.length < 1000) break;
        before = page.entries.at(-1).id;
      }
      const created = entries.filter(({ action }) => action === "pool.created");
      expect(inOrder(created.map(({ subject }) => subject))).toEqual(inOrder(names));
      expect((await untilReady(operator, agent)).id).toBe(id);
      expect((await agent.call("GET", "/v1/sandboxes/steady")).state).toBe("running");
      await agent.call("DELETE", "/v1/sandboxes/steady");
    },
  );
});

test("operators log in, look, and are told what is wrong", { timeout: LIMIT }, async () => {
  const directory = temporaryDirectory();
  const server = await serverOn("pglite", directory);
  const file = join(directory, "contexts.json");
  process.env["EVENKEEL_FLEET_CONFIG"] = file;
  onTestFinished(() => void delete process.env["EVENKEEL_FLEET_CONFIG"]);
  const fleet = (...args: string[]) => evenkeel(["fleet", ...args]);
  const none = fleet("get", "nodes");
  expect([none.status, none.stderr]).toEqual([
    2,
    expect.stringContaining("no fleet is configured"),
  ]);
  const tokenFile = join(server.directory, "operator.token");
  const login = (...more: string[]) =>
    fleet("login", "local", "--server", server.url, "--token-file", tokenFile, ...more);
  expect(login("--ca-digest", "0".repeat(64)).status).toBe(2);
  const open = join(directory, "open");
  writeFileSync(open, "token", { mode: 0o644 });
  const shared = fleet("login", "x", "--server", server.url, "--token-file", open);
  expect([shared.status, shared.stderr]).toEqual([
    2,
    expect.stringContaining("other users can read it"),
  ]);
  expect(login().status).toBe(0);
  expect(fleet("get", "nodes").stdout).toBe("no nodes\n");
  expect(fleet("create-pool", "all").stdout).toMatch(/^selector: +<none>$/m);
  expect(fleet("get", "pools").stdout).toMatch(/^NAME +SELECTOR .*\nall +<none> +0 /);
  const plan = fleet("plan", "all");
  expect([plan.status, plan.stderr]).toEqual([1, expect.stringContaining("pool all has no nodes")]);
  const json = JSON.parse(fleet("plan", "all", "--json").stdout);
  expect(json.error.code).toBe("PLAN_REFUSED");
  const place = fleet("place", "0".repeat(64));
  expect([place.status, place.stderr]).toEqual([1, expect.stringContaining("no contract")]);
  expect(fleet("get", "elephants").status).toBe(2);
  const token = fleet("join-token", "--label", "pool=x");
  expect(token.stdout).toMatch(/^ekj\.[\w-]{43}\.[0-9a-f]{64}\n$/);
  // A second server does not get at the store of the first.
  const second = evenkeel(["serve", "--data-dir", server.directory, "--listen", "127.0.0.1:1"]);
  expect([second.status, second.stderr]).toEqual([3, expect.stringContaining("another server")]);
  await server.kill();
  const down = fleet("get", "nodes");
  expect([down.status, down.stderr]).toEqual([3, expect.stringContaining("ECONNREFUSED")]);
});
