/** A launcher as text: a description in comments, its settings, then launcher.pl. */
import { readFileSync } from "node:fs";
import { isAbsolute } from "node:path";

/** Read where it is needed: one executable has it inside. */
const body = () => readFileSync(new URL("../../launcher/launcher.pl", import.meta.url), "utf8");

/** Marks the record; a file without it is not one of our launchers. */
const MARK = "# evenkeel launcher 1: ";

interface GuardCommand {
  readonly node: string;
  readonly program: string;
  /** Where it keeps contracts; undefined: beside their snapshots. */
  readonly contracts?: string;
}

/** What a launcher says about itself. */
export interface LauncherRecord {
  /** The Firecracker it starts. */
  readonly real: string;
  readonly version: string;
  /** Whether `real` stood in the launcher's place before. */
  readonly moved: boolean;
  /** SHA-256 of the template as it is sent. */
  readonly digest: string;
  /** What was requested: a plan's class, a file, a built-in template. */
  readonly source: string;
  /** The node's profile it was linted with, by name. */
  readonly node?: string;
  /**
   * The program that stays on the socket, and the Node.js that runs it. If evenkeel is a single
   * executable, `node` is that executable and `program` an argument to it.
   */
  readonly guard?: GuardCommand;
  /** If `real` is a jailer: the Firecracker that it may start, without symbolic links. */
  readonly jailed?: string;
  /** ISO 8601. */
  readonly installed: string;
}

export interface LauncherScript {
  readonly record: LauncherRecord;
  /** The template's JSON. */
  readonly template: string;
  /** The interpreter's path. */
  readonly perl: string;
  /** The guard's settings, as text after the program; empty without a guard. */
  readonly settings: string;
}

/** From 1.13 on, a configuration file holds the template itself, before that a path to it. */
function takesInline(version: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return major > 1 || minor >= 13;
}

/** A string in Perl's single quotes. */
function quoted(text: string): string {
  return `'${text.replaceAll(/[\\']/g, String.raw`\$&`)}'`;
}

/** V8 limits that keep each microVM's guard small. */
const NODE_FLAGS = ["--max-semi-space-size=1", "--max-old-space-size=96"];

function guardCommand({ guard }: LauncherRecord): string {
  if (guard === undefined) return "";
  const flags = isAbsolute(guard.program) ? NODE_FLAGS : [];
  return [guard.node, ...flags, guard.program].map(quoted).join(", ");
}

export function launcherScript({ record, template, perl, settings }: LauncherScript): string {
  const inline = takesInline(record.version) ? 1 : 0;
  const variables = [
    `my $real = ${quoted(record.real)};`,
    `my $inline = ${inline};`,
    `my $template = ${quoted(template)};`,
    `my @guard = (${guardCommand(record)});`,
    `my $jailed${record.jailed === undefined ? "" : ` = ${quoted(record.jailed)}`};`,
  ];
  const head = [`#!${perl}`, MARK + JSON.stringify(record), ...variables];
  return `${head.join("\n")}\n${body()}${settings}`;
}

/** The record in a launcher's text; undefined if it is not a launcher. */
export function readLauncher(text: string): LauncherRecord | undefined {
  const line = text.split("\n", 2)[1] ?? "";
  if (!text.startsWith("#!") || !line.startsWith(MARK)) return undefined;
  return JSON.parse(line.slice(MARK.length)) as LauncherRecord;
}
