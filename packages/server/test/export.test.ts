/** A store as a file: from PGlite to PostgreSQL and back, whole, or not at all. */
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sql } from "drizzle-orm";
import { expect, onTestFinished, test } from "vitest";
import { exportTo, importFrom } from "../src/index.ts";
import { openStore } from "../src/store/open.ts";
import { openPostgres, STORES } from "./postgres.ts";

const report = () => {};

test.skipIf(STORES.length === 1)(
  "what one store has is in the other, and a damaged file changes nothing and says where",
  async () => {
    const directory = mkdtempSync(join(tmpdir(), "ek-export-"));
    onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
    const postgres = await openPostgres();
    onTestFinished(async () => await postgres.stop());
    const databaseUrl = await postgres.database();
    const store = await openStore({ directory, databaseUrl, report });
    for (const statement of [
      sql`insert into authority values (1, 'certificate', 'key', now())`,
      sql`insert into variants values ('v', 'c', 'x86_64', ${'{"b": 1, "a": "é\\n"}'}, now())`,
      sql`insert into nodes (id, name, labels, joined, seen, profile, variant, baseline, cordoned,
        capacity, snapshots, certificate_expires) values ('n', 'n', '{"a": "b c"}', now(), now(), '',
        'v', '', false, '{}', '', now())`,
      sql`insert into sandboxes (id, node, state, memory_mib, on_timeout, labels, created_by, created,
        updated) values ('g', 'n', 'running', 1, 'kill', '{}', 'o', now(), now())`,
      sql`insert into audit (time, actor, action, subject, data)
        select now(), 'o', 'did', i::text, '{}' from generate_series(1, 1200) as i`,
    ]) {
      await store.db.execute(statement);
    }
    await store.close();
    const [first, second] = [join(directory, "first"), join(directory, "second")];
    await exportTo({ directory, databaseUrl }, first);
    expect(statSync(first).mode & 0o777).toBe(0o600);
    const text = readFileSync(first, "utf8");

    const target = { directory: join(directory, "pglite"), databaseUrl: undefined };
    const damaged = join(directory, "damaged");
    const lines = text.split("\n");
    const half = lines.slice(0, 700).join("\n");
    for (const [wrong, why] of [
      [half, "ends before its end"],
      [text.replace('"subject": "777"', '"subject": "778"'), "line \\d+: is not what was written"],
      [[...lines.slice(0, 50), ...lines.slice(51)].join("\n"), "rows were written"],
      [text.replace("evenkeel/store@1", "evenkeel/store@2"), "digest"],
      ["", "line 1"],
    ] as const) {
      writeFileSync(damaged, wrong);
      await expect(importFrom(target, damaged)).rejects.toMatchObject({
        code: "BAD_EXPORT",
        message: expect.stringMatching(why),
      });
    }
    expect(await importFrom(target, first)).toBe(1204);
    await expect(importFrom(target, first)).rejects.toMatchObject({ code: "STORE_NOT_EMPTY" });
    await exportTo(target, second);
    expect(readFileSync(second, "utf8")).toBe(text);
    // What the database numbers goes on after what was there.
    const pglite = await openStore({ ...target, report });
    const { rows } = await pglite.db.execute<{ id: string }>(sql`
      insert into audit (time, actor, action, subject, data)
      values (now(), 'o', 'did', 'more', '{}') returning id`);
    await pglite.close();
    expect(Number(rows[0]?.id)).toBe(1201);
  },
  240_000,
);
