/**
 * Firecracker's command line and its refusals.
 * Source: src/utils/src/arg_parser.rs and src/firecracker/src/main.rs, v1.14.1.
 */
import { LINE, lineNumber } from "./versions.ts";

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
];

function flagsOf(version: string): readonly string[] {
  return lineNumber(version) < LINE.pci ? FLAGS : [...FLAGS, "enable-pci"];
}

export interface Arguments {
  readonly values: ReadonlyMap<string, string>;
  readonly flags: ReadonlySet<string>;
}

/** Variants of UtilsArgParserError, and how each is told. */
const VARIANTS = {
  ForbiddenArgument: (a: string, b: string) =>
    `Argument '${b}' cannot be used together with argument '${a}'.`,
  MissingArgument: (a: string) => `Argument '${a}' required, but not found.`,
  MissingValue: (a: string) => `The argument '${a}' requires a value, but none was supplied.`,
  UnexpectedArgument: (a: string) =>
    `Found argument '${a}' which wasn't expected, or isn't valid in this context.`,
  DuplicateArgument: (a: string) => `The argument '${a}' was provided more than once.`,
} as const;

/** A refusal, as Rust shows it to programmers (`debug`) and to people (the message). */
export class ArgumentError extends Error {
  readonly debug: string;

  constructor(variant: keyof typeof VARIANTS, argument: string, other = "") {
    super(VARIANTS[variant](argument, other));
    this.name = "ArgumentError";
    const shown = [argument, ...(other === "" ? [] : [other])].map((a) => JSON.stringify(a));
    this.debug = `${variant}(${shown.join(", ")})`;
  }
}

function checkTogether(values: ReadonlyMap<string, string>, flags: ReadonlySet<string>): void {
  if (flags.has("no-api") && !values.has("config-file")) {
    throw new ArgumentError("MissingArgument", "config-file");
  }
  if (flags.has("no-seccomp") && values.has("seccomp-filter")) {
    throw new ArgumentError("ForbiddenArgument", "no-seccomp", "seccomp-filter");
  }
}

function readAll(args: readonly string[], version: string): Arguments {
  const values = new Map<string, string>();
  const flags = new Set<string>();
  const known = flagsOf(version);
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] ?? "";
    const name = arg.slice(2);
    const takesValue = WITH_VALUE.includes(name);
    if (!arg.startsWith("--") || !(takesValue || known.includes(name))) {
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
  checkTogether(values, flags);
  return { values, flags };
}

/** Reads everything before `--`; help, then the version, win over all else. */
export function readArguments(argv: readonly string[], version: string): Arguments {
  const end = argv.indexOf("--");
  const args = end === -1 ? argv : argv.slice(0, end);
  const values = new Map<string, string>();
  if (args.includes("--help") || args.includes("-h")) return { values, flags: new Set(["help"]) };
  if (args.includes("--version")) return { values, flags: new Set(["version"]) };
  return readAll(args, version);
}

export function helpText(version: string): string {
  const names = [
    ...WITH_VALUE.map((name) => `  --${name} <${name}>`),
    ...["help", ...flagsOf(version)].map((flag) => `  --${flag}`),
  ];
  return `Firecracker v${version}\n\noptional arguments:\n${names.toSorted().join("\n")}\n`;
}
