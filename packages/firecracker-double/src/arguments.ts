/**
 * Firecracker's command line and its refusals.
 * Source: src/utils/src/arg_parser.rs and src/firecracker/src/main.rs, v1.14.1.
 */
const WITH_VALUE = [
  "api-sock",
  "id",
  "seccomp-filter",
  "start-time-us",
  "start-time-cpu-us",
  "parent-cpu-time-us",
  "config-file",
  "metadata",
  "log-path",
  "level",
  "module",
  "metrics-path",
  "describe-snapshot",
  "http-api-max-payload-size",
  "mmds-size-limit",
];
const FLAGS = [
  "no-seccomp",
  "no-api",
  "show-level",
  "show-log-origin",
  "boot-timer",
  "version",
  "snapshot-version",
  "enable-pci",
];

export interface Arguments {
  readonly values: ReadonlyMap<string, string>;
  readonly flags: ReadonlySet<string>;
}

/** A variant of UtilsArgParserError, as Rust shows it. */
export class ArgumentError extends Error {
  constructor(variant: string, argument: string) {
    super(`${variant}(${JSON.stringify(argument)})`);
    this.name = "ArgumentError";
  }
}

function readAll(args: readonly string[]): Arguments {
  const values = new Map<string, string>();
  const flags = new Set<string>();
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] ?? "";
    const name = arg.slice(2);
    const takesValue = WITH_VALUE.includes(name);
    if (!arg.startsWith("--") || !(takesValue || FLAGS.includes(name))) {
      const shown = arg.startsWith("--") ? name : arg;
      throw new ArgumentError("UnexpectedArgument", shown);
    }
    if (values.has(name) || flags.has(name)) {
      throw new ArgumentError("DuplicateArgument", name);
    }
    if (!takesValue) {
      flags.add(name);
      continue;
    }
    const value = args[++i];
    if (value === undefined || value.startsWith("--")) {
      throw new ArgumentError("MissingValue", name);
    }
    values.set(name, value);
  }
  if (flags.has("no-api") && !values.has("config-file")) {
    throw new ArgumentError("MissingArgument", "config-file");
  }
  return { values, flags };
}

/** Reads everything before `--`; help, then the version, win over all else. */
export function readArguments(argv: readonly string[]): Arguments {
  const end = argv.indexOf("--");
  const args = end === -1 ? argv : argv.slice(0, end);
  const values = new Map<string, string>();
  if (args.includes("--help") || args.includes("-h")) return { values, flags: new Set(["help"]) };
  if (args.includes("--version")) return { values, flags: new Set(["version"]) };
  return readAll(args);
}

export function helpText(version: string): string {
  const names = [
    ...WITH_VALUE.map((name) => `  --${name} <${name}>`),
    ...FLAGS.map((f) => `  --${f}`),
  ];
  return `Firecracker v${version}\n\noptional arguments:\n${names.toSorted().join("\n")}\n`;
}
