/** The store: migrations that survive two starters, and tables that are what drizzle believes. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { getTableColumns, getTableName, is, sql } from "drizzle-orm";
import { PgTable } from "drizzle-orm/pg-core";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { migrate } from "../src/store/migrate.ts";
import { MIGRATIONS } from "../src/store/migrations/index.ts";
import { openStore, takeDirectory } from "../src/store/open.ts";
import * as schema from "../src/store/schema.ts";
import type { Store } from "../src/store/store.ts";
import { openPostgres, STORES, type TestPostgres } from "./postgres.ts";

const report = () => {};
const MORE = [
  ...MIGRATIONS,
  { name: "more", sql: "create table more (id integer primary key);\n" },
];

describe.each(STORES)("on %s", (kind) => {
  const directory = mkdtempSync(join(tmpdir(), "ek-store-"));
  let postgres: TestPostgres | undefined;
  let databaseUrl: string | undefined;
  let store: Store;
  beforeAll(async () => {
    postgres = kind === "postgresql" ? await openPostgres() : undefined;
    databaseUrl = await postgres?.database();
    store = await openStore({ directory, databaseUrl, report });
  }, 240_000);
  afterAll(async () => {
    await store.close();
    await postgres?.stop();
    rmSync(directory, { recursive: true, force: true });
  }, 60_000);

  test("every table has the columns that drizzle believes it has", async () => {
    const { rows } = await store.db.execute<{ name: string; nullable: boolean }>(sql`
      select table_name || '.' || column_name as name, is_nullable = 'YES' as nullable
      from information_schema.columns where table_schema = 'public'`);
    const there = rows.filter(({ name }) => !name.startsWith("migrations."));
    const believed = Object.values(schema)
      .filter((table) => is(table, PgTable))
      .flatMap((table) =>
        Object.values(getTableColumns(table)).map((column) => ({
          name: `${getTableName(table)}.${column.name}`,
          nullable: !column.notNull,
        })),
      );
    const byName = (a: { name: string }, b: { name: string }) => (a.name < b.name ? -1 : 1);
    expect(there.toSorted(byName)).toEqual(believed.toSorted(byName));
  });

  test("starters at once apply a migration once, and one that fails leaves nothing", async () => {
    const broken = [
      ...MIGRATIONS,
      { name: "broken", sql: "create table half (id integer);\nx;\n" },
    ];
    await expect(migrate(store.db, broken)).rejects.toThrow("Failed query");
    const half = await store.db.execute(sql`select 1 from pg_tables where tablename = 'half'`);
    expect(half.rows).toEqual([]);
    const numbers = await Promise.all([1, 2, 3].map(async () => await migrate(store.db, MORE)));
    expect(numbers).toEqual([MORE.length, MORE.length, MORE.length]);
    const { rows } = await store.db.execute<{ name: string }>(
      sql`select name from migrations order by number`,
    );
    expect(rows.map(({ name }) => name)).toEqual(MORE.map(({ name }) => name));
  });

  test("a store of a newer build, or of another one, is left alone", async () => {
    await migrate(store.db, MORE);
    await expect(migrate(store.db)).rejects.toMatchObject({ code: "STORE_TOO_NEW" });
    const changed = MORE.map((one, i) => (i === 0 ? { ...one, sql: `${one.sql} ` } : one));
    await expect(migrate(store.db, changed)).rejects.toMatchObject({ code: "STORE_CHANGED" });
  });
});

test("a data directory is one server's", async () => {
  const directory = mkdtempSync(join(tmpdir(), "ek-lock-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const unlock = await takeDirectory(directory);
  await expect(takeDirectory(directory)).rejects.toMatchObject({ code: "DATA_IN_USE" });
  unlock();
  (await takeDirectory(directory))();
});

test("a database that is not there is said to be down", async () => {
  const directory = mkdtempSync(join(tmpdir(), "ek-down-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const databaseUrl = `postgres://ek@localhost/none?host=${directory}`;
  await expect(openStore({ directory, databaseUrl, report })).rejects.toMatchObject({
    code: "STORE_DOWN",
  });
});
