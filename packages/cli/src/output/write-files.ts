/** Writing a set of files so that each appears complete or not at all. */
import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { CliError } from "../errors.ts";
import { makeDirectories } from "./make-directories.ts";

export interface OutputFile {
  /** Relative to the output directory. */
  readonly path: string;
  readonly text: string;
}

function writeSynced(path: string, text: string): void {
  const fd = openSync(path, "wx");
  try {
    writeSync(fd, text);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Template files that an earlier plan in this directory names. */
function earlierTemplates(index: string): string[] {
  if (!existsSync(index)) return [];
  try {
    const plan = JSON.parse(readFileSync(index, "utf8")) as { classes?: { template?: unknown }[] };
    const named = (plan.classes ?? []).map(({ template }) => template);
    return named.filter(
      (t): t is string => typeof t === "string" && /^templates\/[a-z0-9-]+\.json$/.test(t),
    );
  } catch {
    return [];
  }
}

/**
 * Writes the files under temporary names, then renames them; the last file, the index, only after
 * all that it names exist. Templates of an earlier plan that this one does not have are removed.
 */
export function writePlanFiles(directory: string, files: readonly OutputFile[]): void {
  const temporary = (path: string) => join(directory, `${path}.${process.pid}.tmp`);
  const index = files.at(-1)?.path ?? "";
  try {
    const stale = earlierTemplates(join(directory, index));
    for (const { path, text } of files) {
      makeDirectories(dirname(join(directory, path)));
      writeSynced(temporary(path), text);
    }
    for (const { path } of files) renameSync(temporary(path), join(directory, path));
    const current = new Set(files.map(({ path }) => path));
    for (const path of stale)
      if (!current.has(path)) rmSync(join(directory, path), { force: true });
  } catch (error) {
    for (const { path } of files) rmQuietly(temporary(path));
    const reason = error instanceof Error ? error.message : String(error);
    throw new CliError("WRITE_FAILED", `${directory}: ${reason}`, { cause: error });
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** Removes what a process left that was killed while writing the same file. */
function removeStale(path: string): void {
  const prefix = `${basename(path)}.`;
  for (const name of readdirSync(dirname(path))) {
    const pid = name.startsWith(prefix) ? /^(\d+)\.tmp$/.exec(name.slice(prefix.length))?.[1] : "";
    if (pid !== undefined && pid !== "" && !isRunning(Number(pid))) {
      rmQuietly(join(dirname(path), name));
    }
  }
}

/** Writes one file, complete or not at all. */
export function writeFileWhole(path: string, text: string): void {
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    removeStale(path);
    writeSynced(temporary, text);
    renameSync(temporary, path);
  } catch (error) {
    rmQuietly(temporary);
    const reason = error instanceof Error ? error.message : String(error);
    throw new CliError("WRITE_FAILED", `${path}: ${reason}`, { cause: error });
  }
}

function rmQuietly(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // The directory itself may be the obstacle; the first error is the one to report.
  }
}
