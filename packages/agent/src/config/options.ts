/**
 * Every option of `evenkeel agent`, once: its key in the configuration file, its environment
 * variable and its flag. docs/agent.md has the same table; a test keeps the two equal. Imports
 * nothing, since `evenkeel --help` reads it.
 */
interface OptionRow {
  readonly env: string;
  /** What stands after the flag; a switch has nothing. */
  readonly argument: string | undefined;
  readonly help: string;
  /** Undefined where it has to be set, or may be left out. */
  readonly default: string | number | boolean | undefined;
}

export const AGENT_OPTIONS = {
  dataDir: {
    env: "EVENKEEL_DATA_DIR",
    argument: "dir",
    help: "snapshots, sandboxes and their records; one agent has it",
    default: "/var/lib/evenkeel",
  },
  listen: {
    env: "EVENKEEL_LISTEN",
    argument: "address",
    help: "a Unix socket's path, or host:port, which needs a token",
    default: "/run/evenkeel/agent.sock",
  },
  tokenFile: {
    env: "EVENKEEL_TOKEN_FILE",
    argument: "file",
    help: "holds the token of callers that may do everything but override verdicts",
    default: undefined,
  },
  readTokenFile: {
    env: "EVENKEEL_READ_TOKEN_FILE",
    argument: "file",
    help: "holds the token of callers that may only look",
    default: undefined,
  },
  overrideTokenFile: {
    env: "EVENKEEL_OVERRIDE_TOKEN_FILE",
    argument: "file",
    help: "holds the token of callers that may override verdicts, too",
    default: undefined,
  },
  profile: {
    env: "EVENKEEL_PROFILE",
    argument: "file",
    help: "this node's profile or fingerprint; probed through KVM where left out",
    default: undefined,
  },
  foreignProfile: {
    env: "EVENKEEL_FOREIGN_PROFILE",
    argument: undefined,
    help: "the profile is another machine's, on purpose: for tests",
    default: false,
  },
  firecracker: {
    env: "EVENKEEL_FIRECRACKER",
    argument: "version",
    help: "the release that boots what names none; the newest installed where left out",
    default: undefined,
  },
  versionsDir: {
    env: "FIRECRACKER_VERSIONS_DIR",
    argument: "dir",
    help: "holds <version>/[<arch>/]firecracker",
    default: "/fc-versions",
  },
  kernelsDir: {
    env: "HOST_KERNELS_DIR",
    argument: "dir",
    help: "holds <name>/[<arch>/]vmlinux.bin",
    default: "/fc-kernels",
  },
  imagesDir: {
    env: "EVENKEEL_IMAGES_DIR",
    argument: "dir",
    help: "holds the files that disks and initrds are made of",
    default: "/var/lib/evenkeel-images",
  },
  cpuTemplate: {
    env: "FC_CPU_TEMPLATE",
    argument: "name",
    help: "a built-in CPU template: None, T2, T2S, T2CL, T2A, C3, V1N1",
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
    help: "a plan, whose template for this node's class is used",
    default: undefined,
  },
  server: {
    env: "EVENKEEL_SERVER",
    argument: "url",
    help: "the fleet this node is in, whose plan then shapes guests: https://host:port",
    default: undefined,
  },
  join: {
    env: "EVENKEEL_JOIN_TOKEN",
    argument: "token",
    help: "joins the fleet, once; has no meaning after that",
    default: undefined,
  },
  allowInsecure: {
    env: "EVENKEEL_ALLOW_INSECURE",
    argument: undefined,
    help: "boot with CPU templates that lint calls wrong for guests",
    default: false,
  },
  allowUnknown: {
    env: "EVENKEEL_ALLOW_UNKNOWN",
    argument: undefined,
    help: "resume where the verdict is unknown",
    default: false,
  },
  isolation: {
    env: "EVENKEEL_ISOLATION",
    argument: "how",
    help: "full: the jailer, a user, cgroups and namespaces for each VMM; none: the agent's own rights",
    default: "full",
  },
  ioMib: {
    env: "EVENKEEL_IO_MIB",
    argument: "n",
    help: "MiB per second that each VMM may read and write; no limit where left out",
    default: undefined,
  },
  slotsAhead: {
    env: "EVENKEEL_SLOTS_AHEAD",
    argument: "n",
    help: "how many isolated slots are made before they are needed",
    default: 8,
  },
  firstUser: {
    env: "EVENKEEL_FIRST_USER",
    argument: "id",
    help: "the user and group id of the first slot; the next ones follow",
    default: 1_879_048_192,
  },
  networkPool: {
    env: "EVENKEEL_NETWORK_POOL",
    argument: "cidr",
    help: "gives guests networks: a free private network for their addresses on this host, 10.214.0.0/16",
    default: undefined,
  },
  dns: {
    env: "EVENKEEL_DNS",
    argument: "address",
    help: "the resolver that guests reach at their gateway; none where left out",
    default: undefined,
  },
  egress: {
    env: "EVENKEEL_EGRESS",
    argument: "policy",
    help: "what guests may reach where a request does not say: allow (all but special networks) or deny",
    default: "allow",
  },
  openNetworks: {
    env: "EVENKEEL_OPEN_NETWORKS",
    argument: "cidrs",
    help: "private and other special networks, by commas, that a sandbox's egress rules may open",
    default: undefined,
  },
  signingKey: {
    env: "EVENKEEL_SIGNING_KEY",
    argument: "file",
    help: "an Ed25519 private key (PEM) that signs the snapshots taken here",
    default: undefined,
  },
  trustedKeys: {
    env: "EVENKEEL_TRUSTED_KEYS",
    argument: "file",
    help: "public keys (PEM); snapshots that none of them signed are refused",
    default: undefined,
  },
  verifyOnResume: {
    env: "EVENKEEL_VERIFY_ON_RESUME",
    argument: undefined,
    help: "verify memory and disks at each resume, not at imports and scrubs alone",
    default: false,
  },
  scrubHours: {
    env: "EVENKEEL_SCRUB_HOURS",
    argument: "h",
    help: "how often all snapshots are read and verified; 0 never",
    default: 24,
  },
  maxSandboxes: {
    env: "EVENKEEL_MAX_SANDBOXES",
    argument: "n",
    help: "how many may run at once",
    default: 1000,
  },
  maxMemoryMib: {
    env: "EVENKEEL_MAX_MEMORY_MIB",
    argument: "MiB",
    help: "what all guests together may have; all but 5% of the node's where left out",
    default: undefined,
  },
  defaultTimeoutSeconds: {
    env: "EVENKEEL_DEFAULT_TIMEOUT_SECONDS",
    argument: "s",
    help: "how long a sandbox runs where the request does not say",
    default: 3600,
  },
  keepFailedSeconds: {
    env: "EVENKEEL_KEEP_FAILED_SECONDS",
    argument: "s",
    help: "how long a failed sandbox is kept to be looked at",
    default: 3600,
  },
  logLevel: {
    env: "EVENKEEL_LOG_LEVEL",
    argument: "level",
    help: "of the log on standard error: debug, info, warn, error, silent",
    default: "info",
  },
} as const satisfies Record<string, OptionRow>;

export type AgentOptionKey = keyof typeof AGENT_OPTIONS;

/** `dataDir` as `--data-dir`. */
export function flagOf(key: string): string {
  return `--${key.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}
