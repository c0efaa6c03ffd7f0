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
    help: "holds the token that callers must send",
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
  maxSandboxes: {
    env: "EVENKEEL_MAX_SANDBOXES",
    argument: "n",
    help: "how many may run at once",
    default: 1000,
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
