/** Opens the store, and brings it to this build's schema. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { lockDirectory } from "@evenkeel/host";
import { drizzle as drizzlePg } from "drizzle-orm/node-postgres";
import pg from "pg";
import { messageOf, ServerError } from "../errors.ts";
import { migrate } from "./migrate.ts";
import * as schema from "./schema.ts";
import type { Database, Store } from "./store.ts";

export interface StoreOptions {
  readonly directory: string;
  /** `postgres://…`; PGlite in the directory where left out. */
  readonly databaseUrl: string | undefined;
  /** Hears of connections that were lost while idle. */
  readonly report: (what: string, why: string) => void;
}

/** Connections of one server to PostgreSQL, whose default is 100 for all. */
const CONNECTIONS = 10;
/** A database that does not answer must not keep callers for ever. */
const CONNECT_MS = 5000;
const STATEMENT_MS = 30_000;
/** A server that is paused within a transaction must not keep its locks from the others. */
const IDLE_MS = 10_000;

async function openPostgres({ databaseUrl, report }: StoreOptions): Promise<Omit<Store, "schema">> {
  const pool = new pg.Pool({
    connectionString: databaseUrl,
    max: CONNECTIONS,
    connectionTimeoutMillis: CONNECT_MS,
    statement_timeout: STATEMENT_MS,
    idle_in_transaction_session_timeout: IDLE_MS,
    application_name: "evenkeel",
  });
  // Without a listener, a connection that is lost while idle ends the process.
  pool.on("error", (error) => report("PostgreSQL", error.message));
  // As does one that is lost within a transaction, whose next statement then says so.
  pool.on("connect", (client) => client.on("error", () => undefined));
  const db = drizzlePg(pool, { schema }) as unknown as Database;
  return { kind: "postgresql", db, close: async () => await pool.end() };
}

/** PGlite lets two processes open one directory, and both then ruin it: the lock is ours. */
async function openPglite({ directory }: StoreOptions): Promise<Omit<Store, "schema">> {
  // Some megabytes of WebAssembly, which a server on PostgreSQL does without.
  const { PGlite } = await import("@electric-sql/pglite");
  const { drizzle } = await import("drizzle-orm/pglite");
  const path = join(directory, "pglite");
  mkdirSync(path, { recursive: true, mode: 0o700 });
  const client = await PGlite.create(path);
  const db = drizzle(client, { schema }) as unknown as Database;
  return { kind: "pglite", db, close: async () => await client.close() };
}

/** Takes a data directory; throws DATA_IN_USE, BAD_CONFIG. What it returns lets go. */
export async function takeDirectory(directory: string): Promise<() => void> {
  let unlock: (() => void) | undefined;
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    unlock = await lockDirectory(directory);
  } catch (cause) {
    const message = `${directory} cannot be made or locked: ${messageOf(cause)}`;
    throw new ServerError("BAD_CONFIG", message, { cause });
  }
  if (unlock !== undefined) return unlock;
  throw new ServerError("DATA_IN_USE", `${directory}: another server has it`);
}

/** Throws STORE_DOWN, STORE_TOO_NEW, STORE_CHANGED. The directory must be taken. */
export async function openStore(options: StoreOptions): Promise<Store> {
  const open = options.databaseUrl === undefined ? openPglite : openPostgres;
  let store: Omit<Store, "schema"> | undefined;
  try {
    store = await open(options);
    return { ...store, schema: await migrate(store.db) };
  } catch (cause) {
    await store?.close();
    if (cause instanceof ServerError) throw cause;
    const why = messageOf((cause as Error).cause ?? cause);
    throw new ServerError("STORE_DOWN", `the store cannot be opened: ${why}`, { cause });
  }
}
