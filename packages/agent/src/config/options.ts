/**
 * Every option of `evenkeel agent`, once: its key in the configuration file, its environment
 * variable and its flag. docs/agent.md has the same table; a test keeps the two equal. Imports
 * nothing, since `evenkeel --help` reads it.
 */
interface OptionRow {
  readonly env: string;
  /** The flag's argument; a switch has none. */
  readonly argument: string | undefined;
  readonly help: string;
  /** Undefined if it must be set, or may be left out. */
  readonly default: string | number | boolean | undefined;
}

/** The names that Firecracker knows. */
export const CPU_TEMPLATES = ["None", "T2", "T2S", "T2CL", "T2A", "C3", "V1N1"] as const;

export const AGENT_OPTIONS = {
  dataDir: {
    env: "EVENKEEL_DATA_DIR",
    argument: "dir",
    help: "snapshots, sandboxes and their records; used by one agent only",
    default: "/var/lib/evenkeel",
  },
  listen: {
    env: "EVENKEEL_LISTEN",
    argument: "address",
    help: "Unix socket path, or host:port, which requires a token",
    default: "/run/evenkeel/agent.sock",
  },
  tokenFile: {
    env: "EVENKEEL_TOKEN_FILE",
    argument: "file",
    help: "token file for callers that can do everything except override verdicts",
    default: undefined,
  },
  readTokenFile: {
    env: "EVENKEEL_READ_TOKEN_FILE",
    argument: "file",
    help: "token file for read-only callers",
    default: undefined,
  },
  overrideTokenFile: {
    env: "EVENKEEL_OVERRIDE_TOKEN_FILE",
    argument: "file",
    help: "token file for callers that can also override verdicts",
    default: undefined,
  },
  profile: {
    env: "EVENKEEL_PROFILE",
    argument: "file",
    help: "this node's profile or fingerprint; default: probe through KVM",
    default: undefined,
  },
  foreignProfile: {
    env: "EVENKEEL_FOREIGN_PROFILE",
    argument: undefined,
    help: "allow another machine's profile, for tests",
    default: false,
  },
  firecracker: {
    env: "EVENKEEL_FIRECRACKER",
    argument: "version",
    help: "the default release for booting; default: the newest installed",
    default: undefined,
  },
  versionsDir: {
    env: "FIRECRACKER_VERSIONS_DIR",
    argument: "dir",
    help: "directory of <version>/[<arch>/]firecracker",
    default: "/fc-versions",
  },
  kernelsDir: {
    env: "HOST_KERNELS_DIR",
    argument: "dir",
    help: "directory of <name>/[<arch>/]vmlinux.bin",
    default: "/fc-kernels",
  },
  imagesDir: {
    env: "EVENKEEL_IMAGES_DIR",
    argument: "dir",
    help: "directory of the files for disks and initrds",
    default: "/var/lib/evenkeel-images",
  },
  cpuTemplate: {
    env: "FC_CPU_TEMPLATE",
    argument: "name",
    help: `a built-in CPU template: ${CPU_TEMPLATES.join(", ")}`,
    default: "None",
  },
  customCpuTemplate: {
    env: "FC_CUSTOM_CPU_TEMPLATE_PATH",
    argument: "file",
    help: "a custom CPU template's JSON file",
    default: undefined,
  },
  plan: {
    env: "EVENKEEL_PLAN",
    argument: "path",
    help: "a plan: use its template for this node's class",
    default: undefined,
  },
  server: {
    env: "EVENKEEL_SERVER",
    argument: "url",
    help: "the fleet server, https://host:port; its plan then sets the CPU template",
    default: undefined,
  },
  join: {
    env: "EVENKEEL_JOIN_TOKEN",
    argument: "token",
    help: "one-time token that joins the fleet; ignored afterwards",
    default: undefined,
  },
  allowInsecure: {
    env: "EVENKEEL_ALLOW_INSECURE",
    argument: undefined,
    help: "allow templates that leave guest mitigations off",
    default: false,
  },
  allowUnknown: {
    env: "EVENKEEL_ALLOW_UNKNOWN",
    argument: undefined,
    help: "allow resumes with verdict unknown",
    default: false,
  },
  isolation: {
    env: "EVENKEEL_ISOLATION",
    argument: "how",
    help: "full: jailer, user, cgroups and namespaces per VMM; none: the agent's own privileges",
    default: "full",
  },
  ioMib: {
    env: "EVENKEEL_IO_MIB",
    argument: "n",
    help: "MiB per second that each VMM can read and write; default: no limit",
    default: undefined,
  },
  slotsAhead: {
    env: "EVENKEEL_SLOTS_AHEAD",
    argument: "n",
    help: "number of isolated slots prepared in advance",
    default: 8,
  },
  firstUser: {
    env: "EVENKEEL_FIRST_USER",
    argument: "id",
    help: "user and group id of the first slot; the others follow",
    default: 1_879_048_192,
  },
  networkPool: {
    env: "EVENKEEL_NETWORK_POOL",
    argument: "cidr",
    help: "enables guest networks: a free private network for their addresses on this host, such as 10.214.0.0/16",
    default: undefined,
  },
  dns: {
    env: "EVENKEEL_DNS",
    argument: "address",
    help: "the resolver that guests reach at their gateway; default: none",
    default: undefined,
  },
  egress: {
    env: "EVENKEEL_EGRESS",
    argument: "policy",
    help: "default egress policy: allow (everything except special networks) or deny",
    default: "allow",
  },
  openNetworks: {
    env: "EVENKEEL_OPEN_NETWORKS",
    argument: "cidrs",
    help: "comma-separated private and other special networks that egress rules can open",
    default: undefined,
  },
  signingKey: {
    env: "EVENKEEL_SIGNING_KEY",
    argument: "file",
    help: "Ed25519 private key (PEM) that signs the snapshots taken here",
    default: undefined,
  },
  trustedKeys: {
    env: "EVENKEEL_TRUSTED_KEYS",
    argument: "file",
    help: "public keys (PEM); snapshots not signed by one of them are refused",
    default: undefined,
  },
  verifyOnResume: {
    env: "EVENKEEL_VERIFY_ON_RESUME",
    argument: undefined,
    help: "verify memory and disks at each resume, not only at imports and scrubs",
    default: false,
  },
  scrubHours: {
    env: "EVENKEEL_SCRUB_HOURS",
    argument: "h",
    help: "hours between verifications of all snapshots; 0: never",
    default: 24,
  },
  maxSandboxes: {
    env: "EVENKEEL_MAX_SANDBOXES",
    argument: "n",
    help: "maximum number of running sandboxes",
    default: 1000,
  },
  maxMemoryMib: {
    env: "EVENKEEL_MAX_MEMORY_MIB",
    argument: "MiB",
    help: "total memory for all guests; default: 95% of the node's",
    default: undefined,
  },
  defaultTimeoutSeconds: {
    env: "EVENKEEL_DEFAULT_TIMEOUT_SECONDS",
    argument: "s",
    help: "default lifetime of a sandbox",
    default: 3600,
  },
  keepFailedSeconds: {
    env: "EVENKEEL_KEEP_FAILED_SECONDS",
    argument: "s",
    help: "how long a failed sandbox is kept for inspection",
    default: 3600,
  },
  logLevel: {
    env: "EVENKEEL_LOG_LEVEL",
    argument: "level",
    help: "log level on standard error: debug, info, warn, error, silent",
    default: "info",
  },
} as const satisfies Record<string, OptionRow>;

export type AgentOptionKey = keyof typeof AGENT_OPTIONS;

/** `dataDir` as `--data-dir`. */
export function flagOf(key: string): string {
  return `--${key.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}
