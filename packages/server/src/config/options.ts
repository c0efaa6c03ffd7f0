/**
 * Every option of `evenkeel serve`, once: its key in the configuration file, its environment
 * variable and its flag. docs/fleet.md has the same table; a test keeps the two equal. Imports
 * nothing, since `evenkeel --help` reads it.
 */
interface OptionRow {
  readonly env: string;
  readonly argument: string;
  readonly help: string;
  /** Undefined where it may be left out. */
  readonly default: string | undefined;
}

export const SERVER_OPTIONS = {
  dataDir: {
    env: "EVENKEEL_SERVER_DATA_DIR",
    argument: "dir",
    help: "the store and the first operator's token; used by one server only",
    default: "/var/lib/evenkeel-server",
  },
  listen: {
    env: "EVENKEEL_SERVER_LISTEN",
    argument: "address",
    help: "host:port",
    default: "127.0.0.1:7701",
  },
  databaseUrl: {
    env: "EVENKEEL_DATABASE_URL",
    argument: "url",
    help: "postgres://host/database, which several servers can share; default: PGlite in the data directory",
    default: undefined,
  },
  names: {
    env: "EVENKEEL_SERVER_NAMES",
    argument: "names",
    help: "comma-separated extra DNS names and addresses for the certificate",
    default: undefined,
  },
  e2bDomain: {
    env: "EVENKEEL_E2B_DOMAIN",
    argument: "domain",
    help: "enables E2B's API: the domain that, with all names below it, leads to e2bListen",
    default: undefined,
  },
  e2bListen: {
    env: "EVENKEEL_E2B_LISTEN",
    argument: "address",
    help: "host:port of E2B's API and data plane",
    default: "127.0.0.1:7703",
  },
  logLevel: {
    env: "EVENKEEL_LOG_LEVEL",
    argument: "level",
    help: "log level on standard error: debug, info, warn, error, silent",
    default: "info",
  },
} as const satisfies Record<string, OptionRow>;

export type ServerOptionKey = keyof typeof SERVER_OPTIONS;
