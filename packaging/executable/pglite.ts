/**
 * In the place of PGlite, whose WebAssembly and file system are no part of the executable: its
 * servers keep what they know in PostgreSQL.
 */
export const PGlite = {
  create: (): never => {
    throw new Error("the executable has no embedded store: set EVENKEEL_DATABASE_URL");
  },
};

/** Read by drizzle's driver when it is loaded. */
export const types = {};
