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
    help: "the store, and the first operator's token; one server has it",
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
    help: "postgres://…, which several servers can share; PGlite in the data directory where left out",
    default: undefined,
  },
  names: {
    env: "EVENKEEL_SERVER_NAMES",
    argument: "names",
    help: "DNS names and addresses, by commas, that the certificate is for besides this machine's own",
    default: undefined,
  },
  logLevel: {
    env: "EVENKEEL_LOG_LEVEL",
    argument: "level",
    help: "of the log on standard error: debug, info, warn, error, silent",
    default: "info",
  },
} as const satisfies Record<string, OptionRow>;

export type ServerOptionKey = keyof typeof SERVER_OPTIONS;
