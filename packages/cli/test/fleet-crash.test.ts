/**
 * Servers and agents that are killed at random while callers create, pause, resume and kill: nothing
 * that was acknowledged is lost, nothing is done twice, and nothing is left that nobody knows of.
 * EVENKEEL_KILLS and EVENKEEL_SEED are for longer runs and for the same run again.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, onTestFinished, test } from "vitest";
import { openPostgres, STORES } from "../../server/test/postgres.ts";
import { caller } from "../../server/test/support.ts";
import { printedSeed, randomFrom } from "../../agent/test/random.ts";
import { beganAt, callOn, type Known } from "./fleet-crash.ts";
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

const KILLS = Number(process.env["EVENKEEL_KILLS"] ?? 6);
const SEED = printedSeed("fleet");
const CALLERS = 3;
const SETTLE_MS = 90_000;

async function agentsOn(operator: Operator, server: TestServer, directory: string) {
  const agents: TestAgent[] = [];
  for (const profile of ["xeon-gold-6330-a", "xeon-gold-6330-b"]) {
    const { token } = await operator("POST", "/v1/join-tokens", {}, true);
    const own = join(directory, profile);
    mkdirSync(own, { recursive: true });
    const file = join(ROOT, "examples/intel-pool", `${profile}.json`);
    agents.push(await startAgent({ directory: own, profile: file, server: server.url, token }));
  }
  return agents;
}

async function listOf(agent: TestAgent): Promise<Json[]> {
  return (await agent.call("GET", "/v1/sandboxes")).sandboxes;
}

async function buildBase(operator: Operator, agent: TestAgent): Promise<void> {
  const readiness = { kind: "serial", text: "Debian login:", timeoutSeconds: 60 };
  await until("the node may boot guests", async () => {
    const { coldBoots } = await agent.call("GET", "/v1/health");
    return coldBoots === "refused" ? undefined : true;
  });
  await agent.call("POST", "/v1/templates", { name: "base", machine: MACHINE, readiness });
  await until("base is known", async () => {
    const { snapshots } = await operator("GET", "/v1/snapshots");
    return snapshots.length > 0 ? true : undefined;
  });
}

/** Ids and states, of what callers know and of what there is. */
function sorted(list: Iterable<readonly [string, string]>): string[] {
  return [...list].map((one) => one.join(" ")).toSorted();
}

describe.each(STORES)("on %s", (store) => {
  test(
    `nothing that was acknowledged is lost or done twice: ${KILLS} kills`,
    async () => {
      const directory = temporaryDirectory();
      const postgres = store === "postgresql" ? await openPostgres() : undefined;
      if (postgres !== undefined) onTestFinished(async () => await postgres.stop());
      const url = await postgres?.database();
      const servers = [await startServer(join(directory, "one"), await freePort(), url)];
      if (url !== undefined) {
        servers.push(await startServer(join(directory, "two"), await freePort(), url));
      }
      const [one] = servers as [TestServer];
      const context = await contextFor(one);
      const operator = operatorOf(context);
      const agents = await agentsOn(operator, one, directory);
      for (const agent of agents.slice(0, 1)) await buildBase(operator, agent);

      // Guests that nobody touches: their processes outlive all that happens.
      const pids = new Map<number, string | undefined>();
      const known: Known = { sandboxes: new Map(), defects: [], answered: 0, again: 0 };
      for (const agent of agents) {
        const made = await operator("POST", "/v1/sandboxes", {
          from: "base",
          node: agent.name,
          timeoutSeconds: 3600,
        });
        known.sandboxes.set(made.id, "running");
        const own = (await listOf(agent)).find(({ id }) => id === made.id);
        pids.set(own.pid, beganAt(own.pid));
      }

      const random = randomFrom(SEED);
      let over = false;
      const { ca, token } = context;
      const calls = servers.map((server) => caller(server.url, { ca, token }));
      const calling = Array.from({ length: CALLERS }, async (_, i) => {
        const own = { name: `caller-${i}`, known, servers: calls, from: "base" };
        await callOn({ ...own, random: randomFrom(SEED + 1 + i) }, () => over);
      });
      const victims = [...servers, ...agents];
      for (let kill = 0; kill < KILLS; kill++) {
        await sleep(200 + random() * 2500);
        await victims[Math.floor(random() * victims.length)]?.crash();
        for (const [pid, began] of pids) expect([pid, beganAt(pid)]).toEqual([pid, began]);
      }
      over = true;
      await Promise.all(calling);
      expect(known.defects).toEqual([]);
      process.stdout.write(
        `${store}: ${known.answered} requests answered, ${known.again} of them sent again, ${KILLS} kills\n`,
      );
      expect(known.answered).toBeGreaterThan(KILLS);

      const wanted = sorted(known.sandboxes);
      const there = async () =>
        sorted((await Promise.all(agents.map(listOf))).flat().map(({ id, state }) => [id, state]));
      const believed = async () => {
        const { sandboxes } = await operator("GET", "/v1/sandboxes");
        return sorted(sandboxes.map(({ id, state }: Json) => [id, state]));
      };
      // What is left of a sandbox where it was paused goes with the work for it, soon.
      const agree = async () => {
        const all = JSON.stringify([await there(), await believed()]);
        return all === JSON.stringify([wanted, wanted]) ? true : undefined;
      };
      await until("all agree", agree, SETTLE_MS).catch(() => undefined);
      expect([await there(), await believed()]).toEqual([wanted, wanted]);
      const { entries } = await operator("GET", "/v1/audit?limit=1000");
      const created = entries.filter(({ action }: Json) => action === "sandbox.created");
      expect(new Set(created.map(({ subject }: Json) => subject)).size).toBe(created.length);

      // A server that knows nothing hears all of it from the nodes.
      for (const server of servers) await server.kill();
      for (const agent of agents) await agent.stop();
      const anew = await startServer(join(directory, "anew"), await freePort(), undefined);
      const ask = operatorOf(await contextFor(anew));
      const again = await agentsOn(ask, anew, directory);
      agents.splice(0, agents.length, ...again);
      await until("the new server knows of all", async () => {
        const { sandboxes } = await ask("GET", "/v1/sandboxes");
        const all = sorted(sandboxes.map(({ id, state }: Json) => [id, state]));
        return JSON.stringify(all) === JSON.stringify(wanted) ? true : undefined;
      });
      for (const [pid, began] of pids) expect([pid, beganAt(pid)]).toEqual([pid, began]);
      // Sandboxes outlive their agents on purpose.
      for (const agent of agents) {
        for (const { id } of await listOf(agent)) await agent.call("DELETE", `/v1/sandboxes/${id}`);
      }
    },
    600_000 + KILLS * 30_000,
  );
});
