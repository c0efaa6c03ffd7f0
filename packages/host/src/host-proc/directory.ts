/**
 * A directory for `HOST_PROC`: links to everything in /proc, and its own `cpuinfo`. The reader
 * follows the links, so `self` is the reader. Every change is one rename. Links cannot follow
 * processes that come and go, so apart from `1` there are no numbered processes here.
 */
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";
import { parseJson, prettyJson } from "@evenkeel/core";
import { HostError } from "../errors.ts";
import { readTextFile } from "../files.ts";

const SCHEMA = "evenkeel/host-proc@1";
/** Marks the directory as ours, and describes its content. */
const RECORD = ".evenkeel.json";
const CPUINFO = "cpuinfo";

export interface HostProcRecord {
  /** The CPU model that readers find. */
  readonly model: string;
  /** The node's profile, by name, its class, and the plan's digest. */
  readonly node: string;
  readonly class: string;
  readonly plan: string;
  /** SHA-256 of the template that its launchers have. */
  readonly template: string;
  readonly pool?: string;
  /** Where the links lead. */
  readonly proc: string;
  /** ISO 8601; when the content last changed. */
  readonly written: string;
}

function failed(path: string, error: unknown): HostError {
  if (error instanceof HostError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  return new HostError("HOST_PROC_FAILED", `${path}: ${code ?? message}`, { cause: error });
}

/** Throws HOST_PROC_OCCUPIED where something else is there; undefined where there is nothing. */
export function readHostProc(target: string): HostProcRecord | undefined {
  const at = resolve(target);
  const stat = lstatSync(at, { throwIfNoEntry: false });
  if (stat === undefined) return undefined;
  const text = stat.isDirectory() ? readTextFile(join(at, RECORD)) : undefined;
  if (text !== undefined) {
    try {
      const { schema, ...record } = parseJson(text) as HostProcRecord & { schema?: unknown };
      if (schema === SCHEMA && typeof record.model === "string") return record;
    } catch {
      // Not written by us.
    }
  }
  throw new HostError("HOST_PROC_OCCUPIED", `${at} exists and was not made by evenkeel`);
}

/**
 * What is linked: everything except cpuinfo and the processes, but including process 1, which
 * always exists.
 */
function namesIn(proc: string): string[] {
  const names = readdirSync(proc).filter((name) => !/^\d+$/.test(name) && name !== CPUINFO);
  return ["1", ...names];
}

function placeFile(directory: string, name: string, text: string): void {
  const temporary = join(directory, `.${name}.${process.pid}.tmp`);
  try {
    writeFileSync(temporary, text, { mode: 0o644 });
    renameSync(temporary, join(directory, name));
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

function isLink(path: string, target: string): boolean {
  return (
    lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true &&
    readlinkSync(path) === target
  );
}

/** Adds what is new in /proc, such as a module's directory, and removes what is gone. */
function placeLinks(directory: string, proc: string): void {
  const names = new Set(namesIn(proc));
  for (const name of names) {
    const [path, target] = [join(directory, name), join(proc, name)];
    if (isLink(path, target)) continue;
    rmSync(path, { force: true });
    symlinkSync(target, path);
  }
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    if (entry.isSymbolicLink() && !names.has(entry.name)) rmSync(join(directory, entry.name));
  }
}

function place(directory: string, record: HostProcRecord, cpuinfo: string): void {
  placeLinks(directory, record.proc);
  placeFile(directory, CPUINFO, cpuinfo);
  placeFile(directory, RECORD, prettyJson({ schema: SCHEMA, ...record }));
}

/** Makes the directory, complete before it gets its name, or updates the existing one. */
export function writeHostProc(target: string, record: HostProcRecord, cpuinfo: string): void {
  const at = resolve(target);
  const existing = readHostProc(at);
  try {
    if (existing !== undefined) {
      place(at, record, cpuinfo);
      return;
    }
    mkdirSync(dirname(at), { recursive: true });
    const temporary = mkdtempSync(`${at}.`);
    try {
      place(temporary, record, cpuinfo);
      chmodSync(temporary, 0o755);
      renameSync(temporary, at);
    } catch (error) {
      rmSync(temporary, { recursive: true, force: true });
      throw error;
    }
  } catch (error) {
    throw failed(at, error);
  }
}

/** The `cpuinfo` that readers find; undefined where there is none. */
export function cpuinfoAt(target: string): string | undefined {
  return readTextFile(join(resolve(target), CPUINFO));
}

/** Removes `cpuinfo`: a reader that starts now finds no CPU, and reports that. */
export function withdrawHostProc(target: string): void {
  const at = resolve(target);
  if (readHostProc(at) === undefined) return;
  try {
    rmSync(join(at, CPUINFO), { force: true });
  } catch (error) {
    throw failed(at, error);
  }
}

/** Removes the directory; undefined if there is none. The targets of links are not touched. */
export function removeHostProc(target: string): HostProcRecord | undefined {
  const at = resolve(target);
  const record = readHostProc(at);
  if (record === undefined) return undefined;
  try {
    // Removed in one step: a rename replaces an empty directory.
    const aside = mkdtempSync(`${at}.`);
    renameSync(at, aside);
    rmSync(aside, { recursive: true });
    return record;
  } catch (error) {
    throw failed(at, error);
  }
}
