/** The one interface to what is kept: PGlite in the data directory, or PostgreSQL. */
import type { PgDatabase, PgQueryResultHKT } from "drizzle-orm/pg-core";
import type * as schema from "./schema.ts";

/** What both drivers answer to a query. */
interface Rows<T> {
  readonly rows: T[];
}

interface RowsHKT extends PgQueryResultHKT {
  readonly type: Rows<this["row"]>;
}

export type Database = PgDatabase<RowsHKT, typeof schema>;
/** A database, or a transaction of one: what a query runs on. */
export type Queryable = Pick<
  Database,
  "select" | "selectDistinct" | "insert" | "update" | "delete" | "execute"
>;

export interface Store {
  readonly kind: "pglite" | "postgresql";
  readonly db: Database;
  /** The last migration that was applied. */
  readonly schema: number;
  close(): Promise<void>;
}
