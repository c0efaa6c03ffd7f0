/** Duties that one server at a time does: taken over, and refused to who has lost them. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sql } from "drizzle-orm";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { record } from "../src/audit.ts";
import type { Context } from "../src/context.ts";
import { openIndexCache } from "../src/contracts/index-writes.ts";
import { dropExpired } from "../src/duties/expiry.ts";
import { dropGarbage } from "../src/duties/garbage.ts";
import { asLeader, lead, resign } from "../src/duties/leaders.ts";
import { openStore } from "../src/store/open.ts";
import type { Queryable, Store } from "../src/store/store.ts";
import { openPostgres, STORES, type TestPostgres } from "./postgres.ts";

describe.each(STORES)("on %s", (kind) => {
  const directory = mkdtempSync(join(tmpdir(), "ek-leaders-"));
  let postgres: TestPostgres | undefined;
  let store: Store;
  beforeAll(async () => {
    postgres = kind === "postgresql" ? await openPostgres() : undefined;
    const databaseUrl = await postgres?.database();
    store = await openStore({ directory, databaseUrl, report: () => {} });
  }, 240_000);
  afterAll(async () => {
    await store.close();
    await postgres?.stop();
    rmSync(directory, { recursive: true, force: true });
  }, 60_000);

  const deed = (subject: string) => async (tx: Queryable) =>
    await record(tx, "server", { action: "tried", subject });
  const deeds = async () => {
    const { rows } = await store.db.execute<{ subject: string }>(
      sql`select subject from audit where action = 'tried' order by id`,
    );
    return rows.map(({ subject }) => subject);
  };

  test("one leads; whoever lost a duty writes nothing, whatever it believes", async () => {
    const first = await lead(store, "rollouts", "a");
    expect(first).toEqual({ duty: "rollouts", server: "a", epoch: 1 });
    expect(await lead(store, "rollouts", "b")).toBeUndefined();
    expect((await lead(store, "expiry", "b"))?.epoch).toBe(1);
    expect((await lead(store, "rollouts", "a"))?.epoch).toBe(1);
    if (first === undefined) throw new Error("it leads");
    await asLeader(store, first, deed("a leads"));
    // As after a pause: the lease has ended, and nobody has told the leader.
    await store.db.execute(sql`update leaders set until = now() - interval '1 second'`);
    await asLeader(store, first, deed("nobody took it"));
    const second = await lead(store, "rollouts", "b");
    expect(second?.epoch).toBe(2);
    if (second === undefined) throw new Error("it leads");
    await expect(asLeader(store, first, deed("a has lost it"))).rejects.toMatchObject({
      code: "LEADER_LOST",
    });
    await asLeader(store, second, deed("b leads"));
    expect(await lead(store, "rollouts", "a")).toBeUndefined();
    // A server of the same name as before is another epoch, too.
    await resign(store, "b");
    expect((await lead(store, "rollouts", "a"))?.epoch).toBe(3);
    await expect(asLeader(store, first, deed("a of before"))).rejects.toMatchObject({
      code: "LEADER_LOST",
    });
    expect(await deeds()).toEqual(["a leads", "nobody took it", "b leads"]);
  });

  test.skipIf(kind === "pglite")("nobody takes a duty while its leader writes", async () => {
    const lease = await lead(store, "garbage", "a");
    if (lease === undefined) throw new Error("it leads");
    await store.db.execute(sql`update leaders set until = now() - interval '1 second'`);
    let taken: unknown;
    const taking: Promise<void>[] = [];
    await asLeader(store, lease, async (tx) => {
      taking.push(lead(store, "garbage", "b").then((by) => void (taken = by)));
      await tx.execute(sql`select pg_sleep(0.5)`);
      expect(taken).toBeUndefined();
    });
    await Promise.all(taking);
    expect(taken).toMatchObject({ server: "b", epoch: 2 });
  });

  test("what is too old, and what nobody has any more, goes; what is in use stays", async () => {
    const { db } = store;
    await db.execute(sql`insert into variants values ('v', 'c', 'x86_64', '{}', now())`);
    await db.execute(sql`insert into nodes (id, name, labels, joined, seen, profile, variant,
      baseline, cordoned, capacity, snapshots, certificate_expires)
      values ('n', 'n', '{}', now(), now(), '', 'v', '', false, '{}', '', now())`);
    const contract = async (digest: string, by: string, age: string) =>
      await db.execute(sql`insert into contracts (digest, contract, arch, firecracker, node,
        reported_by, created) values (${digest}, '{}', 'x86_64', '1', 'n', ${by},
        now() - ${age}::interval)`);
    await contract("old", "node:n", "2 hours");
    await contract("young", "node:n", "1 minute");
    await contract("held", "node:n", "2 hours");
    await contract("operators", "token:o", "2 hours");
    await contract("running", "node:n", "2 hours");
    // Whoever has read up to its revision would not see the next contract, had that the same.
    await contract("latest", "node:n", "2 hours");
    await db.execute(sql`insert into findings values ('f', '[]'), ('g', '[]')`);
    await db.execute(sql`insert into verdicts (contract, variant, verdict, under_plan, findings,
      rules, revision) values ('old', 'v', 'compatible', 'compatible', 'f', 'r', 1),
      ('latest', 'v', 'compatible', 'compatible', 'g', 'r', 2)`);
    await db.execute(sql`insert into held_snapshots (node, name, digest, kind, contract, memory_mib,
      bytes, created) values ('n', 's', 's', 'template', 'held', 1, 1, now())`);
    await db.execute(sql`insert into sandboxes (id, node, state, contract, memory_mib, on_timeout,
      labels, created_by, created, updated) values ('g', 'n', 'running', 'running', 1, 'kill', '{}',
      'token:o', now(), now())`);
    const index = openIndexCache();
    await db.transaction(async (tx) => await dropGarbage({ index } as Context, tx));
    const left = await db.execute<{ digest: string }>(sql`select digest from contracts`);
    const names = left.rows.map(({ digest }) => digest);
    expect(new Set(names)).toEqual(new Set(["young", "held", "operators", "running", "latest"]));
    const findings = await db.execute(sql`select digest from findings`);
    expect(findings.rows).toEqual([{ digest: "g" }]);
    await db.execute(sql`insert into work (id, node, body, state, created, finished) values
      ('new', 'n', '{}', 'done', now(), now()), ('due', 'n', '{}', 'queued', now(), null),
      ('past', 'n', '{}', 'done', now(), now() - interval '25 hours')`);
    await db.transaction(async (tx) => await dropExpired({} as Context, tx));
    const work = await db.execute<{ id: string }>(sql`select id from work order by id`);
    expect(work.rows.map(({ id }) => id)).toEqual(["due", "new"]);
  });
});
