/** Two servers as processes on one PostgreSQL: one leads, and the other takes over from it. */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { connectTo, openPostgres, STORES } from "../../server/test/postgres.ts";
import {
  caller,
  CASCADE_LAKE,
  ICE_LAKE,
  makeFleet,
  profileNamed,
  type TestNode,
} from "../../server/test/support.ts";
import { contextFor, freePort, startServer, until, type Json } from "./fleet-support.ts";
import { temporaryDirectory } from "./run.ts";

test.skipIf(STORES.length === 1)(
  "a leader that is killed, or paused beyond its lease, is followed by the other, and writes no more",
  async () => {
    const postgres = await openPostgres();
    onTestFinished(async () => await postgres.stop());
    const [directory, url] = [temporaryDirectory(), await postgres.database()];
    const servers = [
      await startServer(join(directory, "one"), await freePort(), url),
      await startServer(join(directory, "two"), await freePort(), url),
    ] as const;
    const [one, two] = servers;
    const { ca, token } = await contextFor(one);
    const client = await connectTo(url);
    onTestFinished(async () => await client.end());
    const leader = async () => {
      const { rows } = await client.query("select * from leaders where duty = 'rollouts'");
      return rows[0] as { server: string; epoch: string } | undefined;
    };
    const leads = async (pid: number, epoch: number) =>
      await until(`${pid} leads as the ${epoch}.`, async () => {
        const now = await leader();
        return now?.server.includes(`-${pid}-`) === true && Number(now.epoch) === epoch
          ? true
          : undefined;
      });
    await leads(one.pid(), 1);
    // Each answers whatever it is asked.
    const asked = { ca, token };
    const { operator, join: joinFleet } = makeFleet(one.url, one.directory, ca);
    const nodes: TestNode[] = [];
    for (const [i, file] of [CASCADE_LAKE, ICE_LAKE].entries()) {
      nodes.push(await joinFleet(profileNamed(file, `n${i}`), { pool: "p" }));
    }
    await operator("POST", "/v1/pools", { name: "p", selector: { pool: "p" } });
    await one.kill();
    await leads(two.pid(), 2);
    await one.start();
    const elsewhere = caller(two.url, asked);
    const { body: plan } = await elsewhere("POST", "/v1/pools/p/plans", {});
    process.kill(two.pid(), "SIGSTOP");
    await leads(one.pid(), 3);
    // Silent for long, as nodes were while nobody led: they are heard of first.
    for (const node of nodes) await node.beat();
    const approval = { digest: plan.digest };
    expect((await operator("POST", "/v1/pools/p/plans/1/approve", approval)).status).toBe(200);
    process.kill(two.pid(), "SIGCONT");
    const applied = new Map<string, Json>();
    await until("it is rolled out", async () => {
      for (const node of nodes) {
        const known = applied.get(node.id);
        const beat = await node.beat(known === undefined ? {} : { plan: known });
        if (beat.body.plan) applied.set(node.id, beat.body.plan);
      }
      const { body } = await elsewhere("GET", "/v1/pools/p");
      return body.running === 1 ? true : undefined;
    });
    await sleep(2000);
    expect(Number((await leader())?.epoch)).toBe(3);
    const { body } = await elsewhere("GET", "/v1/audit?limit=1000");
    const of = (action: string) => body.entries.filter((entry: Json) => entry.action === action);
    // Each step once, whoever believed itself the leader.
    expect(of("rollout.advanced").map(({ data }: Json) => data.stage)).toEqual(["all", "share"]);
    expect(of("rollout.done")).toHaveLength(1);
    const epochs = of("leader.changed").filter(({ subject }: Json) => subject === "rollouts");
    expect(epochs.map(({ data }: Json) => data.epoch)).toEqual([3, 2, 1]);
  },
  600_000,
);
