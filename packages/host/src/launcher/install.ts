/** Putting a launcher in Firecracker's place, and back. */
import { createHash } from "node:crypto";
import {
  accessSync,
  constants,
  existsSync,
  linkSync,
  mkdirSync,
  renameSync,
  rmdirSync,
  rmSync,
} from "node:fs";
import { basename, delimiter, dirname, isAbsolute, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import {
  API_BODY_LIMIT,
  CoreError,
  formatTemplate,
  knownLine,
  type CpuTemplate,
  type NodeProfile,
} from "@evenkeel/core";
import { HostError } from "../errors.ts";
import { readTextFile } from "../files.ts";
import { formatSettings, readSettings, type Shape } from "../guard/settings.ts";
import { machineNow } from "../probe/machine.ts";
import { jailerVersionOf, versionOf } from "../firecracker/release.ts";
import { changedAt, isShared, launcherAt, placeExecutable, realPath, writing } from "./files.ts";
import { launcherScript, type LauncherRecord } from "./script.ts";
import { tryLauncher } from "./try-out.ts";

const GUARD = fileURLToPath(new URL("../../bin/guard.js", import.meta.url));

/** Beside the launcher: where it moves the Firecracker whose place it takes. */
const ASIDE = ".evenkeel";

interface ChosenTemplate {
  readonly template: CpuTemplate;
  readonly source: string;
  /** What contracts call it; needed by a guard alone. */
  readonly names?: Omit<Shape, "template">;
}

export interface InstallOptions {
  /** The real Firecracker; may be at the launcher's own path. */
  readonly firecracker: string;
  readonly at: string;
  /** The template for this Firecracker version, and its name. */
  readonly choose: (version: string) => ChosenTemplate;
  /** The node's profile, by name. */
  readonly node?: string;
  /** Leave a guard on the socket that judges for a node with this profile. */
  readonly guard?: NodeProfile;
  /** With a guard: a directory that nodes share, for contracts by the digest of their state file. */
  readonly contracts?: string;
  /** ISO 8601. */
  readonly time: string;
  /** Where perl is looked for. */
  readonly path: string;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function findPerl(path: string): string {
  const found = path
    .split(delimiter)
    .map((directory) => join(directory, "perl"))
    .find((file) => file.startsWith("/") && isExecutable(file));
  if (found !== undefined) return found;
  throw new HostError("LAUNCHER_NO_PERL", `no perl in ${path}`);
}

/** Until 1.4 a later PUT /machine-config wiped a custom template. */
function checkVersion(binary: string, version: string): void {
  try {
    knownLine(version);
  } catch (error) {
    if (!(error instanceof CoreError)) throw error;
    const [major = 0, minor = 0] = version.split(".").map(Number);
    if (major > 1 || (major === 1 && minor >= 5)) throw error;
    throw new HostError(
      "LAUNCHER_TOO_OLD",
      `${binary} is Firecracker ${version}, where configuring the machine wipes a CPU template`,
      { cause: error },
    );
  }
}

/** A template as it is sent. Throws VMM_BODY_TOO_LARGE. */
function templateText(template: CpuTemplate): string {
  const text = JSON.stringify(JSON.parse(formatTemplate(template)));
  const size = Buffer.byteLength(text);
  if (size <= API_BODY_LIMIT) return text;
  throw new HostError(
    "VMM_BODY_TOO_LARGE",
    `the template has ${size} bytes, Firecracker accepts ${API_BODY_LIMIT}`,
  );
}

/** SHA-256 of a template as it is sent, which a launcher's record has. */
export function templateDigest(template: CpuTemplate): string {
  return createHash("sha256").update(templateText(template)).digest("hex");
}

function settingsFor(
  { guard: profile, contracts }: InstallOptions,
  version: string,
  chosen: ChosenTemplate,
): string {
  if (profile === undefined) return "";
  const { template, names, source } = chosen;
  const shape = { name: source, ...names, template };
  const shared = contracts === undefined ? {} : { contracts };
  return formatSettings({ version, profile, shape, machine: machineNow(), ...shared });
}

interface Places {
  /** The binary as it is now, and where the launcher will look for it. */
  readonly now: string;
  readonly real: string;
  readonly at: string;
  readonly moved: boolean;
}

/** Where everything goes; only the Firecracker or a launcher is ever overwritten. */
function placesOf(firecracker: string, target: string): Places {
  const at = resolve(target);
  const earlier = launcherAt(firecracker);
  const now = earlier?.real ?? realPath(firecracker);
  if (now === undefined) throw new HostError("NOT_FIRECRACKER", `${firecracker}: no such file`);
  const existing = launcherAt(at);
  if (existing !== undefined && existing.moved && realPath(existing.real) === now) {
    return { now, real: existing.real, at, moved: true };
  }
  if (realPath(at) === now) {
    if (realPath(dirname(at)) !== dirname(now)) {
      throw new HostError("LAUNCHER_OCCUPIED", `${at} is a symbolic link to ${now}`);
    }
    return { now, real: join(dirname(at), ASIDE, basename(at)), at, moved: true };
  }
  if (existing?.moved === true) {
    throw new HostError(
      "LAUNCHER_OCCUPIED",
      `${at} is a launcher for a different Firecracker, ${existing.real}`,
    );
  }
  if (existing === undefined && existsSync(at)) {
    throw new HostError("LAUNCHER_OCCUPIED", `${at} already exists and is not a launcher`);
  }
  return { now, real: now, at, moved: false };
}

/** Makes the directory. A launcher contains this node's template, so no other node may see it. */
function prepareDirectory({ at }: Places): void {
  const directory = dirname(at);
  if (isShared(directory)) {
    throw new HostError("LAUNCHER_SHARED", `${directory} is on a file system that nodes share`);
  }
  writing(directory, () => mkdirSync(directory, { recursive: true }));
}

/** Moves the Firecracker aside with a hard link, so that its old path is never empty. */
function moveAside({ now, real }: Places): void {
  if (now === real) return;
  const temporary = `${real}.${process.pid}.tmp`;
  writing(real, () => {
    mkdirSync(dirname(real), { recursive: true });
    rmSync(temporary, { force: true });
    linkSync(now, temporary);
    renameSync(temporary, real);
  });
}

/** Removes a directory if it is empty. */
function removeIfEmpty(directory: string): void {
  try {
    rmdirSync(directory);
  } catch {
    // Someone else keeps files there.
  }
}

interface Kind {
  readonly version: string;
  /** The Firecracker of a jailer's release. */
  readonly jailed?: string;
}

/** The Firecracker beside the jailer is what takes the template. */
function kindOf({ now: binary, at }: Places): Kind {
  if (jailerVersionOf(binary) === undefined) return { version: versionOf(binary) };
  // A jailer that was moved aside left its Firecracker beside the launcher.
  const [jailed] = [binary, at].flatMap(
    (path) => realPath(join(dirname(path), "firecracker")) ?? [],
  );
  if (jailed === undefined) {
    const message = `${binary} is a jailer without a firecracker next to it`;
    throw new HostError("NOT_FIRECRACKER", message);
  }
  return { version: versionOf(jailed), jailed };
}

function guardCommand({ contracts }: InstallOptions): NonNullable<LauncherRecord["guard"]> {
  const command = { node: process.execPath, program: GUARD };
  return contracts === undefined ? command : { ...command, contracts };
}

export async function installLauncher(options: InstallOptions): Promise<LauncherRecord> {
  const { firecracker, at: target, choose, node, guard, time, path } = options;
  const places = placesOf(firecracker, target);
  const { version, jailed } = kindOf(places);
  checkVersion(places.now, version);
  const chosen = choose(version);
  const template = templateText(chosen.template);
  const record: LauncherRecord = {
    real: places.real,
    version,
    moved: places.moved,
    digest: templateDigest(chosen.template),
    source: chosen.source,
    ...(node === undefined ? {} : { node }),
    ...(jailed === undefined ? {} : { jailed }),
    ...(guard === undefined ? {} : { guard: guardCommand(options) }),
    installed: time,
  };
  const settings = settingsFor(options, version, chosen);
  const text = launcherScript({ record, template, perl: findPerl(path), settings });
  prepareDirectory(places);
  moveAside(places);
  try {
    const newest = Math.max(changedAt(places.real), jailed === undefined ? 0 : changedAt(jailed));
    await placeExecutable(places.at, text, newest, (file) => tryLauncher(file, jailed));
  } catch (error) {
    if (places.now !== places.real) {
      rmSync(places.real, { force: true });
      removeIfEmpty(dirname(places.real));
    }
    throw error;
  }
  return record;
}

function requireLauncher(at: string): LauncherRecord {
  const record = launcherAt(at);
  if (record !== undefined) return record;
  throw new HostError(
    "NOT_A_LAUNCHER",
    existsSync(at) ? `${at} is not a launcher` : `${at}: no launcher there`,
  );
}

/** Removes a launcher; a Firecracker whose place it took comes back in the same step. */
export function uninstallLauncher(target: string): LauncherRecord {
  const at = resolve(target);
  const record = requireLauncher(at);
  writing(at, () => {
    if (record.moved) renameSync(record.real, at);
    else rmSync(at);
  });
  if (record.moved) removeIfEmpty(dirname(record.real));
  return record;
}

export interface LauncherStatus {
  readonly record: LauncherRecord;
  /** Why no microVM starts through it, if so. */
  readonly problems: readonly string[];
}

/** Why its guard does not load any snapshot unless told to. */
function machineProblems(at: string): string[] {
  const { machine } = readSettings(readTextFile(at) ?? "");
  const now = machineNow();
  if (now === machine) return [];
  return [`the machine now has ${now}, not ${machine}: the guard's profile is out of date`];
}

/** Throws NOT_A_LAUNCHER. */
export function launcherStatus(target: string): LauncherStatus {
  const at = resolve(target);
  const record = requireLauncher(at);
  const { real, version, guard } = record;
  if (!isExecutable(real)) return { record, problems: [`${real} cannot be executed`] };
  const problems: string[] = [];
  if (guard !== undefined) {
    const gone = [guard.node, guard.program].filter(
      (file) => isAbsolute(file) && !existsSync(file),
    );
    problems.push(...gone.map((file) => `${file}, which the guard needs, is missing`));
    problems.push(...machineProblems(at));
    if (guard.contracts !== undefined && !existsSync(guard.contracts)) {
      problems.push(`${guard.contracts}, the contract directory, is missing`);
    }
  }
  const { jailed = real } = record;
  for (const binary of new Set([real, jailed])) {
    if (changedAt(binary) > changedAt(at)) problems.push(`${binary} is newer than the launcher`);
  }
  const now = versionOf(jailed);
  if (now !== version) problems.push(`${real} is now Firecracker ${now}, not ${version}`);
  return { record, problems };
}
