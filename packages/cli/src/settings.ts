/**
 * What a machine or a person always wants: options that many commands take, kept in a file.
 * Defaults < /etc/evenkeel/config.json < the user's file < environment < the command line.
 */
import { accessSync, constants, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, isAbsolute, join } from "node:path";
import type { Command } from "commander";
import { CliError } from "./errors.ts";

export interface Setting {
  /** As in the file, and as commander calls the option. */
  readonly key: "kernel" | "firecracker" | "firecrackerDir" | "kvm";
  readonly variable: string;
  readonly meaning: string;
}

export const SETTINGS: readonly Setting[] = [
  { key: "kernel", variable: "EVENKEEL_KERNEL", meaning: "host kernel of raw CPU dumps" },
  { key: "firecracker", variable: "EVENKEEL_FIRECRACKER_VERSION", meaning: "Firecracker version" },
  {
    key: "firecrackerDir",
    variable: "EVENKEEL_FIRECRACKER_DIR",
    meaning: "directory of Firecracker versions",
  },
  { key: "kvm", variable: "EVENKEEL_KVM", meaning: "KVM's device" },
];

export interface Effective {
  readonly value: string;
  /** A path, or `environment`. */
  readonly from: string;
}

/** The files that are read; the last one wins. */
export function settingsFiles(env: NodeJS.ProcessEnv): readonly string[] {
  const { EVENKEEL_CONFIG: named = "", XDG_CONFIG_HOME: base = "" } = env;
  const home = isAbsolute(base) ? base : join(homedir(), ".config");
  const own = named === "" ? join(home, "evenkeel", "config.json") : named;
  return ["/etc/evenkeel/config.json", own];
}

function canSearch(directory: string): boolean {
  try {
    accessSync(directory, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** A file's settings; empty if there is no file. Throws USAGE if it is not a settings file. */
function readSettings(path: string): [Setting["key"], string][] {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return [];
    // Under sudo, HOME may be another user's, which is closed: the settings in it are not ours.
    if (code === "EACCES" && !canSearch(dirname(path))) return [];
    throw new CliError("UNREADABLE", `${path}: ${code ?? String(error)}`, { cause: error });
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new CliError("USAGE", `${path}: ${(error as Error).message}`, { cause: error });
  }
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    throw new CliError("USAGE", `${path}: must be an object of settings`);
  }
  return Object.entries(json).map(([key, value]) => {
    const setting = SETTINGS.find((one) => one.key === key);
    const known = SETTINGS.map((one) => one.key).join(", ");
    if (setting === undefined) {
      throw new CliError("USAGE", `${path}: unknown setting "${key}"; known: ${known}`);
    }
    if (typeof value === "string" && value !== "") return [setting.key, value];
    throw new CliError("USAGE", `${path}: ${key} must be a string`);
  });
}

export function effectiveSettings(env: NodeJS.ProcessEnv): Map<Setting["key"], Effective> {
  const found = new Map<Setting["key"], Effective>();
  for (const path of settingsFiles(env)) {
    for (const [key, value] of readSettings(path)) found.set(key, { value, from: path });
  }
  for (const { key, variable } of SETTINGS) {
    const value = env[variable];
    if (value !== undefined && value !== "") found.set(key, { value, from: "environment" });
  }
  return found;
}

/** The agent, the server and launchers have their own configurations. */
const COMMANDS: ReadonlySet<string> = new Set([
  "plan",
  "lint",
  "contract",
  "check",
  "matrix",
  "show",
  "convert",
  "diff",
  "probe",
  "verify",
  "drift",
]);

/** Gives a command the settings for those of its options that were not on the command line. */
export function applySettings(command: Command, env: NodeJS.ProcessEnv): void {
  if (!COMMANDS.has(command.name()) || command.parent?.parent !== null) return;
  const wanted = command.options.filter(
    (option) =>
      SETTINGS.some(({ key }) => key === option.attributeName()) &&
      command.getOptionValueSource(option.attributeName()) !== "cli",
  );
  if (wanted.length === 0) return;
  const settings = effectiveSettings(env);
  for (const option of wanted) {
    const name = option.attributeName();
    const found = settings.get(name as Setting["key"]);
    if (found === undefined) continue;
    const value = option.variadic ? [found.value] : found.value;
    command.setOptionValueWithSource(name, value, "config");
  }
}
