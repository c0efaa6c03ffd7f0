/**
 * A whole store as one file, and back: from PGlite to PostgreSQL, or the other way. A line for each
 * row, as the database writes it; the last has the digest of all before it.
 */
import { createHash } from "node:crypto";
import { readFile, rename, writeFile } from "node:fs/promises";
import { getTableName, is, sql } from "drizzle-orm";
import { PgTable } from "drizzle-orm/pg-core";
import { messageOf, ServerError } from "../errors.ts";
import { openStore, takeDirectory, type StoreOptions } from "./open.ts";
import * as schema from "./schema.ts";
import type { Queryable, Store } from "./store.ts";

const FORMAT = "evenkeel/store@1";
/** Rows of one statement. */
const CHUNK = 500;

/** Tables that others refer to come first. */
const FIRST = ["authority", "variants", "profiles", "nodes", "pools", "contracts", "findings"];

function tableNames(): string[] {
  const names = Object.values(schema)
    .filter((table) => is(table, PgTable))
    .map((table) => getTableName(table));
  const late = names.filter((name) => !FIRST.includes(name)).toSorted();
  // Sandboxes before what E2B's API knows of them.
  return [
    ...FIRST,
    ...late.filter((name) => name === "sandboxes"),
    ...late.filter((name) => name !== "sandboxes"),
  ];
}

/** Of one row, so that a damaged file says where. */
function sumOf(json: string): string {
  return createHash("sha256").update(json).digest("hex").slice(0, 8);
}

/** All rows as the store had them at one moment. */
async function exportStore({ db, schema: migration }: Store): Promise<string> {
  const lines = [JSON.stringify({ format: FORMAT, migration })];
  await db.transaction(
    async (tx) => {
      for (const table of tableNames()) {
        // A transaction's number means nothing elsewhere: the trigger sets it anew.
        const { rows } = await tx.execute<{ row: string }>(sql`
          select (to_jsonb(t) - 'touched')::text as row from ${sql.identifier(table)} t
          order by to_jsonb(t)::text`);
        for (const { row } of rows) lines.push(`${table} ${sumOf(row)} ${row}`);
      }
    },
    { isolationLevel: "repeatable read", accessMode: "read only" },
  );
  const text = `${lines.join("\n")}\n`;
  const digest = createHash("sha256").update(text).digest("hex");
  return `${text}end ${lines.length - 1} ${digest}\n`;
}

function damaged(line: number, why: string): ServerError {
  return new ServerError("BAD_EXPORT", `line ${line}: ${why}`);
}

interface Row {
  readonly table: string;
  readonly json: string;
}

/** Throws BAD_EXPORT with the line, where the file is not what an export wrote. */
function readExport(text: string, migration: number): Row[] {
  const lines = text.split("\n");
  const last = lines.length - 2;
  const [word, count, digest] = (lines[last] ?? "").split(" ");
  const own = new Set(tableNames());
  const rows = lines.slice(1, Math.max(last, 1)).map((line, i): Row => {
    const [table = "", sum = ""] = line.split(" ", 2);
    const json = line.slice(table.length + sum.length + 2);
    if (!own.has(table)) throw damaged(i + 2, "is no row of a table that this build has");
    if (sumOf(json) !== sum) throw damaged(i + 2, "is not what was written");
    return { table, json };
  });
  if (last < 1 || word !== "end" || lines.at(-1) !== "") {
    throw damaged(Math.max(last + 1, 1), "the file ends before its end");
  }
  const whole = createHash("sha256")
    .update(text.slice(0, text.length - (lines[last] ?? "").length - 1))
    .digest("hex");
  if (Number(count) !== rows.length) throw damaged(last + 1, `${count} rows were written`);
  if (whole !== digest) throw damaged(last + 1, "the digest is not the one of the lines before");
  const head = lines[0] ?? "";
  if (head === JSON.stringify({ format: FORMAT, migration })) return rows;
  throw damaged(1, `is not of migration ${migration}: export with this build`);
}

async function requireEmpty(tx: Queryable): Promise<void> {
  for (const table of tableNames()) {
    const { rows } = await tx.execute(sql`select 1 from ${sql.identifier(table)} limit 1`);
    if (rows.length > 0) {
      throw new ServerError("STORE_NOT_EMPTY", `the store has rows already, in ${table}`);
    }
  }
}

/** Numbers that the database gives go on after those that are there. */
async function goOn(tx: Queryable): Promise<void> {
  const { rows } = await tx.execute<{ name: string; column: string }>(sql`
    select table_name as name, column_name as column from information_schema.columns
    where table_schema = 'public' and is_identity = 'YES'`);
  for (const { name, column } of rows) {
    const [table, id] = [sql.identifier(name), sql.identifier(column)];
    await tx.execute(sql`select setval(pg_get_serial_sequence(${name}, ${column}),
      (select coalesce(max(${id}), 0) + 1 from ${table}), false)`);
  }
}

/** All or nothing. Returns the number of rows. Throws BAD_EXPORT, STORE_NOT_EMPTY. */
async function importStore(store: Store, text: string): Promise<number> {
  const rows = readExport(text, store.schema);
  await store.db.transaction(async (tx) => {
    await requireEmpty(tx);
    for (const table of tableNames()) {
      const own = rows.filter((row) => row.table === table);
      const name = sql.identifier(table);
      for (let at = 0; at < own.length; at += CHUNK) {
        const list = `[${own
          .slice(at, at + CHUNK)
          .map(({ json }) => json)
          .join(",")}]`;
        await tx.execute(sql`insert into ${name} overriding system value
          select * from jsonb_populate_recordset(null::${name}, ${list}::jsonb)`);
      }
    }
    await goOn(tx);
  });
  return rows.length;
}

type Where = Pick<StoreOptions, "directory" | "databaseUrl">;

async function withStore<T>(where: Where, run: (store: Store) => Promise<T>): Promise<T> {
  const unlock = await takeDirectory(where.directory);
  try {
    const store = await openStore({ ...where, report: () => undefined });
    try {
      return await run(store);
    } finally {
      await store.close();
    }
  } finally {
    unlock();
  }
}

/** Writes a store to a file, which has the CA's key; what was there stays until all is written. */
export async function exportTo(where: Where, file: string): Promise<void> {
  const text = await withStore(where, exportStore);
  const partial = `${file}.part`;
  await writeFile(partial, text, { mode: 0o600, flush: true });
  await rename(partial, file);
}

/** Reads a file into an empty store; returns the number of rows. */
export async function importFrom(where: Where, file: string): Promise<number> {
  const text = await readFile(file, "utf8").catch((cause: unknown) => {
    throw new ServerError("BAD_EXPORT", `${file} cannot be read: ${messageOf(cause)}`, { cause });
  });
  return await withStore(where, async (store) => await importStore(store, text));
}
